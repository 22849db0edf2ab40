//! The system calls that the server may make, held to by the kernel (seccomp).
//!
//! Alone it makes few, and may make no others: a list of what is allowed. Where the configuration starts programs these inherit the
//! filter, and nobody knows what they need: then a list of what nobody needs who handles mail. Every other call answers as if the
//! kernel did not know it, which is what the C library and tokio are prepared for in the case of new ones.

use super::plan::Plan;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use std::collections::BTreeMap;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Binds every thread of this process to the calls that the plan needs, for good.
///
/// # Errors
/// The kernel has no such filters, or this machine is none that they are written for.
pub(super) fn bind(plan: &Plan) -> Result<&'static str, seccompiler::Error> {
    let (filter, name) = filter(plan)?;
    seccompiler::apply_filter_all_threads(&filter)?;
    Ok(name)
}

fn filter(plan: &Plan) -> Result<(BpfProgram, &'static str), seccompiler::Error> {
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    let unknown = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let (rules, otherwise, matched, name) = if plan.starts_programs {
        (refused()?, SeccompAction::Allow, unknown, "all but dangerous ones")
    } else {
        (allowed()?, unknown, SeccompAction::Allow, "own ones")
    };
    let filter = SeccompFilter::new(rules, otherwise, matched, machine)?;
    Ok((filter.try_into()?, name))
}

/// What the server itself needs.
fn allowed() -> Result<Rules, seccompiler::Error> {
    let mut rules: Rules = ALLOWED.iter().chain(OLD).map(|&call| (call, Vec::new())).collect();
    let is = |argument, value: u64| rule(argument, SeccompCmpOp::Eq, value);
    let has = |argument, mask: u64, value: u64| rule(argument, SeccompCmpOp::MaskedEq(mask), value);
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    rules.insert(
        libc::SYS_socket,
        families.map(|family| is(0, number(family))).into_iter().collect::<Result<_, _>>()?,
    );
    // Threads, and nothing else that runs beside them.
    let thread = number(libc::CLONE_THREAD);
    rules.insert(libc::SYS_clone, vec![has(0, thread, thread)?]);
    // Memory may be written or executed, never both, and never the one after the other; libraries of the name service are loaded later.
    let both = number(libc::PROT_WRITE | libc::PROT_EXEC);
    let write = number(libc::PROT_WRITE);
    let execute = number(libc::PROT_EXEC);
    rules.insert(libc::SYS_mmap, vec![has(2, both, 0)?, has(2, both, write)?, has(2, both, execute)?]);
    rules.insert(libc::SYS_mprotect, vec![has(2, execute, 0)?]);
    // Is this a terminal, how wide is it, how much is there to read.
    let questions = [libc::TCGETS, libc::TIOCGWINSZ, libc::FIONREAD, libc::FIONBIO];
    rules.insert(
        libc::SYS_ioctl,
        questions.map(|question| is(1, question)).into_iter().collect::<Result<_, _>>()?,
    );
    // Names of threads and of memory.
    let names = [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA];
    rules.insert(
        libc::SYS_prctl,
        names.map(|name| is(0, number(name))).into_iter().collect::<Result<_, _>>()?,
    );
    // Limits are read, those of this process alone.
    rules.insert(
        libc::SYS_prlimit64,
        vec![SeccompRule::new(vec![
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, 0)?,
            SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?,
        ])?],
    );
    Ok(rules)
}

/// What no program that handles mail needs.
fn refused() -> Result<Rules, seccompiler::Error> {
    let mut rules: Rules = REFUSED.iter().map(|&call| (call, Vec::new())).collect();
    // A user namespace is where the way to other people's rights begins.
    let namespaces = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    let has = |flag| rule(0, SeccompCmpOp::MaskedEq(number(flag)), number(flag));
    rules.insert(libc::SYS_clone, namespaces.map(has).into_iter().collect::<Result<_, _>>()?);
    // Typing for whoever sits at the terminal.
    rules.insert(libc::SYS_ioctl, vec![rule(1, SeccompCmpOp::Eq, libc::TIOCSTI)?]);
    Ok(rules)
}

fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::Error> {
    Ok(SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?])?)
}

/// Flags are numbers of the C language: their bits count.
fn number(flags: i32) -> u64 {
    flags.cast_unsigned().into()
}

/// Calls of both machines, whatever their arguments.
#[rustfmt::skip]
const ALLOWED: &[i64] = &[
    // Reading and writing.
    libc::SYS_read, libc::SYS_write, libc::SYS_readv, libc::SYS_writev, libc::SYS_pread64, libc::SYS_pwrite64, libc::SYS_preadv,
    libc::SYS_pwritev, libc::SYS_preadv2, libc::SYS_pwritev2, libc::SYS_lseek, libc::SYS_sendfile, libc::SYS_splice,
    libc::SYS_copy_file_range,
    // Files.
    libc::SYS_openat, libc::SYS_openat2, libc::SYS_close, libc::SYS_close_range, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx,
    libc::SYS_statfs, libc::SYS_fstatfs, libc::SYS_fcntl, libc::SYS_flock, libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_syncfs,
    libc::SYS_sync_file_range, libc::SYS_fallocate, libc::SYS_ftruncate, libc::SYS_truncate, libc::SYS_fadvise64, libc::SYS_readahead,
    libc::SYS_getdents64, libc::SYS_mkdirat, libc::SYS_unlinkat, libc::SYS_renameat, libc::SYS_renameat2, libc::SYS_linkat,
    libc::SYS_symlinkat, libc::SYS_readlinkat, libc::SYS_fchmod, libc::SYS_fchmodat, libc::SYS_fchown, libc::SYS_fchownat,
    libc::SYS_utimensat, libc::SYS_faccessat, libc::SYS_faccessat2, libc::SYS_umask, libc::SYS_getcwd, libc::SYS_chdir, libc::SYS_fchdir,
    libc::SYS_dup, libc::SYS_dup3, libc::SYS_pipe2,
    // Waiting.
    libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2, libc::SYS_ppoll, libc::SYS_pselect6,
    libc::SYS_eventfd2, libc::SYS_timerfd_create, libc::SYS_timerfd_settime, libc::SYS_timerfd_gettime, libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep, libc::SYS_restart_syscall, libc::SYS_inotify_init1, libc::SYS_inotify_add_watch, libc::SYS_inotify_rm_watch,
    // Sockets.
    libc::SYS_socketpair, libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4, libc::SYS_connect,
    libc::SYS_getsockname, libc::SYS_getpeername, libc::SYS_sendto, libc::SYS_recvfrom, libc::SYS_sendmsg, libc::SYS_recvmsg,
    libc::SYS_sendmmsg, libc::SYS_recvmmsg, libc::SYS_shutdown, libc::SYS_setsockopt, libc::SYS_getsockopt,
    // Memory.
    libc::SYS_munmap, libc::SYS_mremap, libc::SYS_madvise, libc::SYS_brk, libc::SYS_msync,
    libc::SYS_mlock, libc::SYS_munlock,
    // Threads and signals.
    libc::SYS_futex, libc::SYS_set_robust_list, libc::SYS_get_robust_list, libc::SYS_set_tid_address, libc::SYS_rseq,
    libc::SYS_membarrier, libc::SYS_sched_yield, libc::SYS_sched_getaffinity, libc::SYS_sched_getparam, libc::SYS_sched_getscheduler,
    libc::SYS_getcpu, libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait, libc::SYS_sigaltstack, libc::SYS_tgkill, libc::SYS_exit, libc::SYS_exit_group,
    // Questions.
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_gettimeofday, libc::SYS_getrandom, libc::SYS_getpid, libc::SYS_gettid,
    libc::SYS_getppid, libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid, libc::SYS_getresuid,
    libc::SYS_getresgid, libc::SYS_getgroups, libc::SYS_getpgid, libc::SYS_getsid, libc::SYS_uname, libc::SYS_sysinfo,
    libc::SYS_getrusage, libc::SYS_times, libc::SYS_capget,
];

/// Calls that aarch64 was made without.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OLD: &[i64] = &[
    libc::SYS_open, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_poll, libc::SYS_select, libc::SYS_epoll_create,
    libc::SYS_epoll_wait, libc::SYS_eventfd, libc::SYS_pipe, libc::SYS_dup2, libc::SYS_unlink, libc::SYS_rename, libc::SYS_link,
    libc::SYS_symlink, libc::SYS_mkdir, libc::SYS_rmdir, libc::SYS_chmod, libc::SYS_chown, libc::SYS_lchown, libc::SYS_readlink,
    libc::SYS_getdents, libc::SYS_time, libc::SYS_getrlimit, libc::SYS_getpgrp, libc::SYS_inotify_init,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[i64] = &[];

/// Calls of both machines that change the system, other processes, or the ground under this one.
#[rustfmt::skip]
const REFUSED: &[i64] = &[
    libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_kcmp, libc::SYS_pidfd_getfd,
    // Namespaces and mounts. What clone3 is asked for lies in memory, where no filter sees it; the C library then asks clone.
    libc::SYS_clone3, libc::SYS_unshare, libc::SYS_setns, libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root, libc::SYS_chroot,
    libc::SYS_mount_setattr, libc::SYS_move_mount, libc::SYS_open_tree, libc::SYS_fsopen, libc::SYS_fsconfig, libc::SYS_fsmount,
    libc::SYS_fspick,
    // The kernel itself.
    libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_userfaultfd, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register, libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module, libc::SYS_kexec_load,
    libc::SYS_reboot, libc::SYS_swapon, libc::SYS_swapoff, libc::SYS_acct, libc::SYS_syslog, libc::SYS_quotactl,
    libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl, libc::SYS_open_by_handle_at, libc::SYS_name_to_handle_at,
    libc::SYS_personality, libc::SYS_lookup_dcookie, libc::SYS_nfsservctl, libc::SYS_vhangup, libc::SYS_fanotify_init,
    // Clock and names of the machine.
    libc::SYS_settimeofday, libc::SYS_clock_settime, libc::SYS_clock_adjtime, libc::SYS_adjtimex, libc::SYS_sethostname,
    libc::SYS_setdomainname,
    // Memory and processors of others.
    libc::SYS_move_pages, libc::SYS_migrate_pages, libc::SYS_mbind, libc::SYS_set_mempolicy,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_filters_can_be_made_and_no_call_is_allowed_and_refused() {
        for starts_programs in [false, true] {
            let plan = Plan { starts_programs, ..Plan::default() };
            assert!(!filter(&plan).unwrap().0.is_empty());
        }
        let allowed = allowed().unwrap();
        for call in
            REFUSED.iter().chain(&[libc::SYS_execve, libc::SYS_execveat, libc::SYS_kill, libc::SYS_setresuid])
        {
            assert!(!allowed.contains_key(call), "{call}");
        }
        for call in
            [libc::SYS_setuid, libc::SYS_setgid, libc::SYS_setgroups, libc::SYS_setresgid, libc::SYS_capset]
        {
            assert!(!allowed.contains_key(&call), "{call}");
        }
        // What is one call for many things is allowed for some of them.
        for call in [
            libc::SYS_socket,
            libc::SYS_clone,
            libc::SYS_mmap,
            libc::SYS_mprotect,
            libc::SYS_ioctl,
            libc::SYS_prctl,
            libc::SYS_prlimit64,
        ] {
            assert!(allowed.get(&call).is_some_and(|rules| !rules.is_empty()), "{call}");
        }
        let refused = refused().unwrap();
        for call in REFUSED {
            // Whatever its arguments.
            assert_eq!(refused.get(call).map(Vec::len), Some(0), "{call}");
        }
        for call in [libc::SYS_ptrace, libc::SYS_unshare, libc::SYS_bpf, libc::SYS_clone3, libc::SYS_mount] {
            assert!(REFUSED.contains(&call), "{call}");
        }
        assert!([libc::SYS_clone, libc::SYS_ioctl].iter().all(|call| !refused[call].is_empty()));
    }
}
