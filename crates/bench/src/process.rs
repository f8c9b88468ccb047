//! What Linux knows about a process: CPU time and memory, from `/proc`.

use std::fs;
use std::io;
use std::time::Duration;

/// `/proc/PID/stat` counts in ticks of 1/100 s on every architecture that this runs on (`getconf CLK_TCK`).
const TICK: Duration = Duration::from_millis(10);

/// Why a process cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error("/proc/{pid}/{file} cannot be read ({source}): is the process still running, and may you look at it?")]
    Unreadable {
        pid: u32,
        file: &'static str,
        source: io::Error,
    },
    #[error("/proc/{pid}/{file} has a form that is not known: CPU and memory can be measured on Linux only")]
    Unknown { pid: u32, file: &'static str },
}

/// The numbers of one line of `/proc/PID/stat` that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) parent: u32,
    /// CPU time of all threads, user and system.
    pub(crate) own: Duration,
    /// CPU time of children that have ended and were waited for.
    pub(crate) reaped: Duration,
}

impl Stat {
    /// Reads one line. The name of the program may hold spaces and parentheses, so fields count from its last `)`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (_, fields) = line.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<u32>().ok();
        Some(Self {
            parent: ticks(1)?,
            own: TICK * ticks(11)?.checked_add(ticks(12)?)?,
            reaped: TICK * ticks(13)?.checked_add(ticks(14)?)?,
        })
    }
}

/// CPU time of a process so far.
pub(crate) fn cpu(pid: u32) -> Result<Duration, ProcessError> {
    Ok(stat(pid)?.own)
}

/// CPU time of a process and all its children so far, those that have ended included: a PostgreSQL server.
pub(crate) fn family_cpu(pid: u32) -> Result<Duration, ProcessError> {
    let first = stat(pid)?;
    let children: Duration = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        // A process that ends while we look is counted by its parent at the next reading.
        .filter_map(|child| stat(child).ok())
        .filter(|child| child.parent == pid)
        .map(|child| child.own)
        .sum();
    Ok(first.own + first.reaped + children)
}

/// Resident memory of a process in bytes, now and at its highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

impl Memory {
    /// Reads `/proc/PID/status`.
    pub(crate) fn parse(status: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            kibibytes.checked_mul(1024)
        };
        Some(Self {
            resident: bytes("VmRSS:")?,
            peak: bytes("VmHWM:")?,
        })
    }
}

/// Memory of a process.
pub(crate) fn memory(pid: u32) -> Result<Memory, ProcessError> {
    Memory::parse(&read(pid, "status")?).ok_or(ProcessError::Unknown { pid, file: "status" })
}

/// How often the threads of a process have waited for something so far, and so how often they were woken.
pub(crate) fn wakeups(pid: u32) -> Result<u64, ProcessError> {
    let unreadable = |source| ProcessError::Unreadable {
        pid,
        file: "task",
        source,
    };
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).map_err(unreadable)? {
        // A thread that ends meanwhile wakes no more.
        if let Ok(status) = fs::read_to_string(task.map_err(unreadable)?.path().join("status")) {
            sum += voluntary_switches(&status).unwrap_or(0);
        }
    }
    Ok(sum)
}

fn voluntary_switches(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}

/// Lets the peak begin again at what is resident now. Where this is not allowed the peak stays that of the whole life.
pub(crate) fn forget_peak(pid: u32) -> bool {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").is_ok()
}

fn stat(pid: u32) -> Result<Stat, ProcessError> {
    Stat::parse(&read(pid, "stat")?).ok_or(ProcessError::Unknown { pid, file: "stat" })
}

fn read(pid: u32, file: &'static str) -> Result<String, ProcessError> {
    fs::read_to_string(format!("/proc/{pid}/{file}")).map_err(|source| ProcessError::Unreadable { pid, file, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_from_the_last_parenthesis_of_the_name() {
        let line = "17 (a) b (c) S 4 17 17 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 9 0 100 1 2 3";
        let expected = Stat {
            parent: 4,
            own: Duration::from_secs(2),
            reaped: Duration::from_millis(500),
        };
        assert_eq!(Stat::parse(line), Some(expected));
    }

    #[test]
    fn a_line_that_is_cut_short_is_not_read() {
        assert_eq!(Stat::parse("17 (name) S 4 17 17 0 -1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tclaviger\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n";
        let expected = Memory {
            resident: 10 * 1024 * 1024,
            peak: 20 * 1024 * 1024,
        };
        assert_eq!(Memory::parse(status), Some(expected));
        assert_eq!(Memory::parse("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn what_a_thread_waits_for_by_itself_is_counted() {
        let status = "Threads:\t3\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";
        assert_eq!(voluntary_switches(status), Some(150));
        let before = wakeups(std::process::id()).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        assert!(wakeups(std::process::id()).unwrap() > before);
    }

    #[test]
    fn this_process_is_resident_and_belongs_to_its_parent() {
        let own = std::process::id();
        let memory = memory(own).unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident, "{memory:?}");
        assert_eq!(stat(own).unwrap().parent, std::os::unix::process::parent_id());
    }

    #[test]
    fn the_cpu_of_a_family_holds_that_of_a_child() {
        let child = std::process::Command::new("sh")
            .args([
                "-c",
                "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; echo; read wait",
            ])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        let mut line = [0_u8; 1];
        io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        let spent = cpu(child.id()).unwrap();
        let family = family_cpu(std::process::id()).unwrap();
        assert!(spent >= TICK && family >= spent, "child {spent:?}, family {family:?}");
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(family_cpu(std::process::id()).unwrap() >= family);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error_with_its_number() {
        let error = cpu(u32::MAX).unwrap_err().to_string();
        assert!(error.contains("4294967295"), "{error}");
    }
}
