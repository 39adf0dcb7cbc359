//! Where lines are written to. On the log's own thread, which may wait.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::rules::{AccessLog, Output};
use super::syslog::Syslog;

/// Who may read a file that is made: lines say who asked for what.
const MODE: u32 = 0o640;

/// An open output.
pub(super) enum Out {
    /// Standard output, or what a test puts in its place.
    Stream(Lines<Box<dyn Write + Send>>),
    /// A file.
    File(Lines<File>, String),
    /// A syslog.
    Syslog(Box<Syslog>),
}

/// Lines that were not written.
pub(super) struct Lost {
    /// How many.
    pub(super) lines: u64,
    /// Why.
    pub(super) error: io::Error,
}

impl Out {
    /// Opens what is asked for; `stdout` is what stands for standard output.
    pub(super) fn open(asked: &AccessLog, stdout: Box<dyn Write + Send>) -> io::Result<Self> {
        Ok(match &asked.output {
            Output::Stdout => Self::Stream(Lines::to(stdout)),
            Output::File(path) => Self::File(Lines::to(append(path)?), path.clone()),
            syslog => Self::Syslog(Box::new(Syslog::to(syslog, asked.facility))),
        })
    }

    /// Writes whole lines.
    pub(super) fn write(&mut self, block: &[u8]) -> Result<(), Lost> {
        match self {
            Self::Stream(lines) => lines.write(block),
            Self::File(lines, _) => lines.write(block),
            Self::Syslog(syslog) => syslog.write(block),
        }
    }

    /// Opens a file anew by its name, which may be another file's by now. If that fails the old one
    /// stays.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if let Self::File(lines, path) = self {
            *lines = Lines::to(append(path)?);
        }
        Ok(())
    }
}

fn append(path: &str) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(MODE).open(path)
}

/// Something that lines are written to one behind the other.
pub(super) struct Lines<W> {
    out: W,
    /// Whether the last line has no end.
    is_torn: bool,
}

impl<W: Write> Lines<W> {
    pub(super) fn to(out: W) -> Self {
        Self { out, is_torn: false }
    }

    fn write(&mut self, block: &[u8]) -> Result<(), Lost> {
        let mut written = 0;
        let outcome = self.try_write(block, &mut written);
        outcome.map_err(|error| {
            // A line of which a part is there counts as lost; the next one must not go on behind it.
            self.is_torn |= written > 0 && block[written - 1] != b'\n';
            let lines = memchr::memchr_iter(b'\n', &block[written..]).count() as u64;
            Lost { lines, error }
        })
    }

    fn try_write(&mut self, block: &[u8], written: &mut usize) -> io::Result<()> {
        if self.is_torn {
            self.out.write_all(b"\n")?;
            self.is_torn = false;
        }
        while *written < block.len() {
            match self.out.write(&block[*written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => *written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then nothing until it is emptied.
    struct Disk(Vec<u8>, usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = bytes.len().min(self.1 - self.0.len());
            if room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.extend_from_slice(&bytes[..room]);
            Ok(room)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_was_cut_off_is_counted_and_does_not_swallow_the_next() {
        let mut lines = Lines::to(Disk(Vec::new(), 9));
        let lost = lines.write(b"first\nsecond\nthird\n").unwrap_err();
        assert_eq!((lost.lines, lost.error.kind()), (2, io::ErrorKind::StorageFull));
        assert_eq!(lines.write(b"fourth\n").unwrap_err().lines, 1);
        lines.out.1 = 100;
        assert!(lines.write(b"fifth\n").is_ok());
        assert_eq!(lines.out.0, b"first\nsec\nfifth\n");
    }
}
