//! Capabilities: what is left of root's rights, in all five sets.
//!
//! rustix changes those of the calling thread; there is no other one yet.

use rustix::io::Errno;
use rustix::thread::{
    self, CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set,
};
use std::io;

/// Takes everything but `kept` out of the bounding set.
///
/// # Errors
/// We may not (it takes CAP_SETPCAP).
pub(super) fn bound_by(kept: CapabilitySet) -> io::Result<()> {
    for capability in all() {
        if kept.contains(capability) {
            continue;
        }
        match capability_is_in_bounding_set(capability) {
            Ok(true) => remove_capability_from_bounding_set(capability)?,
            Ok(false) => {}
            // The kernel knows no more.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Gives up everything but `kept`: ambient, inheritable, permitted, effective. What was not there does not come.
///
/// # Errors
/// The system refuses.
pub(super) fn keep(kept: CapabilitySet) -> io::Result<()> {
    // Kernels before 4.3 have no ambient set.
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    let left = capabilities(None)?.permitted & kept;
    let sets = CapabilitySets { effective: left, permitted: left, inheritable: CapabilitySet::empty() };
    thread::set_capabilities(None, sets)?;
    Ok(())
}

/// May we change the bounding set?
pub(super) fn may_bound() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SETPCAP))
}

/// What we may do now beyond any user's rights, as the log names it.
pub(super) fn now() -> io::Result<String> {
    let permitted = capabilities(None)?.permitted;
    let names: Vec<String> = permitted.iter_names().map(|(name, _)| name.to_lowercase()).collect();
    Ok(if names.is_empty() && permitted.is_empty() { "none".to_owned() } else { names.join(",") })
}

/// Every capability that a kernel can have.
fn all() -> impl Iterator<Item = CapabilitySet> {
    (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number))
}
