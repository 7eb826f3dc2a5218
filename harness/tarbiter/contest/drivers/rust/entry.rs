//! What entries of the crates that go back to `tokio-tar` have not in all versions.
use std::{borrow::Cow, io};
use tokio::io::AsyncRead;

/// Some versions can fail to give a name, others cannot.
pub trait Bytes {
    fn bytes(self) -> io::Result<Vec<u8>>;
}

impl Bytes for Cow<'_, [u8]> {
    fn bytes(self) -> io::Result<Vec<u8>> {
        Ok(self.into_owned())
    }
}

impl Bytes for io::Result<Cow<'_, [u8]>> {
    fn bytes(self) -> io::Result<Vec<u8>> {
        Ok(self?.into_owned())
    }
}

/// Some versions give an owner's name with the extended header applied, the others only the header's.
pub trait Owner {
    fn username_bytes(&self) -> Option<&[u8]>;
    fn groupname_bytes(&self) -> Option<&[u8]>;
}

impl<R: AsyncRead + Unpin> Owner for library::Entry<R> {
    fn username_bytes(&self) -> Option<&[u8]> {
        self.header().username_bytes()
    }
    fn groupname_bytes(&self) -> Option<&[u8]> {
        self.header().groupname_bytes()
    }
}
