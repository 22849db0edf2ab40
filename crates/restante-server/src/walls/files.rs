//! The files, ports, signals and abstract sockets that the server may reach, held to by the kernel (Landlock).
//!
//! As far as the kernel has it: files since Linux 5.19 (links and renames from folder to folder, which Maildirs need, cannot be allowed
//! before), ports since 6.7, signals and abstract sockets since 6.12.

use super::plan::Plan;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, NetPort,
    PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// How much of the wall stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wall {
    /// The kernel's version of Landlock.
    pub(super) version: String,
    /// Does it keep files?
    pub(super) files: bool,
    /// Does it keep everything that was asked for?
    pub(super) whole: bool,
}

/// Raises the wall around the calling thread and all that it will start, for good. `None` where the kernel has no such walls.
///
/// # Errors
/// The kernel has them, and refuses this one.
pub(super) fn raise(plan: &Plan) -> Result<Option<Wall>, RulesetError> {
    let files = !plan.is_everywhere();
    let mut rules = Ruleset::default();
    if files {
        // Without this right Maildirs do not work, and a kernel that does not know it refuses what it stands for.
        rules = rules
            .set_compatibility(CompatLevel::SoftRequirement)
            .handle_access(AccessFs::Refer)?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(KNOWN))?;
    }
    rules = rules.handle_access(AccessNet::BindTcp)?;
    if plan.connects.is_some() {
        rules = rules.handle_access(AccessNet::ConnectTcp)?;
    }
    let mut made = rules.scope(Scope::Signal)?.scope(Scope::AbstractUnixSocket)?.create()?;
    if files {
        made = with_files(made, plan)?;
    }
    made = with_ports(made, &plan.listens, AccessNet::BindTcp)?;
    if let Some(ports) = &plan.connects {
        made = with_ports(made, ports, AccessNet::ConnectTcp)?;
    }
    let status = made.restrict_self()?;
    let LandlockStatus::Available { effective_abi, .. } = status.landlock else { return Ok(None) };
    if status.ruleset == RulesetStatus::NotEnforced {
        return Ok(None);
    }
    let whole = files && status.ruleset == RulesetStatus::FullyEnforced;
    Ok(Some(Wall { version: format!("{effective_abi:?}").trim_start_matches('V').to_owned(), files, whole }))
}

fn with_files(mut rules: RulesetCreated, plan: &Plan) -> Result<RulesetCreated, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = read
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeSym
        | AccessFs::MakeSock
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    let sockets = AccessFs::MakeSock | AccessFs::RemoveFile;
    let logs = AccessFs::WriteFile | AccessFs::MakeReg;
    let sets: [(&BTreeSet<PathBuf>, BitFlags<AccessFs>); 5] = [
        (&plan.read, read),
        (&plan.write, write),
        (&plan.sockets, sockets),
        (&plan.logs, logs),
        (&plan.execute, read | AccessFs::Execute),
    ];
    for (paths, access) in sets {
        rules = rules.add_rules(path_beneath_rules(paths, access))?;
    }
    // What goes nowhere.
    if let Ok(null) = PathFd::new("/dev/null") {
        rules = rules.add_rule(PathBeneath::new(null, AccessFs::ReadFile | AccessFs::WriteFile))?;
    }
    Ok(rules)
}

fn with_ports(
    mut rules: RulesetCreated,
    ports: &BTreeSet<u16>,
    access: AccessNet,
) -> Result<RulesetCreated, RulesetError> {
    for &port in ports {
        rules = rules.add_rule(NetPort::new(port, access))?;
    }
    Ok(rules)
}

/// What is asked for: everything but the connecting to unix sockets, which the configuration names none of by folder.
const KNOWN: ABI = ABI::V8;
