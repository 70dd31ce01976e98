//! Reads a small file whole, up to a size limit, and never from a device or a pipe where a regular file is expected.

use super::Error;
use std::{
    fmt,
    fs::{File, FileType, OpenOptions},
    io::{self, Read},
    path::Path,
};

/// The size limits by purpose. A secret's value is read up to Key Vault's own limit.
pub const TOKEN_LIMIT: u64 = 1 << 20;
pub const SPEC_LIMIT: u64 = 16 << 20;
pub const CONFIG_LIMIT: u64 = 16 << 20;
pub const PLAN_LIMIT: u64 = 128 << 20;

/// The kinds of files that may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// A regular file, or a link to one, as Kubernetes mounts them. Anything else is refused at once.
    Regular,
    /// Pipes as well, for `-f <(command)`.
    Pipes,
}

/// The kind of file at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Folder,
    Pipe,
    Device,
    Socket,
    Other,
}

impl FileKind {
    fn of(file: FileType) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::FileTypeExt as _;
            if file.is_fifo() {
                return Self::Pipe;
            }
            if file.is_char_device() || file.is_block_device() {
                return Self::Device;
            }
            if file.is_socket() {
                return Self::Socket;
            }
        }
        if file.is_dir() { Self::Folder } else { Self::Other }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "a directory",
            Self::Pipe => "a pipe",
            Self::Device => "a device",
            Self::Socket => "a socket",
            Self::Other => "a special file",
        })
    }
}

/// Reads a file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64, accept: Accept) -> Result<Vec<u8>, Error> {
    let file = open(path, accept).map_err(Error::io("open", path))?;
    let meta = file.metadata().map_err(Error::io("look at", path))?;
    let is_accepted = meta.is_file() || accept == Accept::Pipes && !meta.is_dir();
    if !is_accepted {
        return Err(Error::NotRegular { path: path.to_owned(), kind: FileKind::of(meta.file_type()) });
    }
    let bytes = read_within(file, limit).map_err(Error::io("read", path))?;
    bytes.ok_or_else(|| Error::TooLarge { path: path.to_owned(), limit })
}

/// Reads a text file of at most `limit` bytes.
pub fn read_text(path: &Path, limit: u64, accept: Accept) -> Result<String, Error> {
    let not_text = |_| Error::io("read", path)(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"));
    String::from_utf8(read(path, limit, accept)?).map_err(not_text)
}

/// Reads to the end. None if there are more than `limit` bytes; at most one byte more than the limit is read.
pub fn read_within(from: impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// Opens a file. Opening a pipe waits for its writer, and opening some devices has side effects: with `Accept::Regular` neither happens.
fn open(path: &Path, accept: Accept) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    if accept == Accept::Regular {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default());
    }
    options.open(path)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[track_caller]
    fn kind(result: Result<Vec<u8>, Error>) -> FileKind {
        let error = result.err();
        let Some(Error::NotRegular { kind, .. }) = error else { panic!("it was read, or failed otherwise: {error:?}") };
        kind
    }

    #[test]
    fn only_regular_files_are_read_and_nothing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        assert_eq!(kind(read(&pipe, 10, Accept::Regular)), FileKind::Pipe);
        assert_eq!(kind(read(Path::new("/dev/zero"), 10, Accept::Regular)), FileKind::Device);
        assert_eq!(kind(read(dir.path(), 10, Accept::Regular)), FileKind::Folder);
        assert_eq!(kind(read(dir.path(), 10, Accept::Pipes)), FileKind::Folder);
    }

    #[test]
    fn a_link_to_a_file_is_read_as_kubernetes_mounts_them() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("data"), "value").unwrap();
        symlink(dir.path().join("data"), dir.path().join("link")).unwrap();
        assert_eq!(read(&dir.path().join("link"), 5, Accept::Regular).unwrap(), b"value");
    }

    #[test]
    fn no_more_is_read_than_may_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "123456").unwrap();
        assert_eq!(read(&file, 6, Accept::Regular).unwrap(), b"123456");
        let error = read(&file, 5, Accept::Regular).unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit: 5, .. }), "{error}");
        // the file is endless, and still the error comes at once
        let error = read(Path::new("/dev/zero"), 5, Accept::Pipes).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }

    #[test]
    fn a_pipe_is_read_where_one_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::write(pipe, "spec")
        });
        assert_eq!(read(&pipe, 10, Accept::Pipes).unwrap(), b"spec");
        writer.join().unwrap().unwrap();
    }
}
