//! What a listing can say of a member beside its name: the fields of its header, as the library gives them.
use std::io;

/// One size, two names: a method of the library's own goes before one of a trait.
#[allow(dead_code, unconditional_recursion)]
trait Size {
    fn size(&self) -> io::Result<u64>;
    fn raw_file_size(&self) -> io::Result<u64>;
}

impl Size for library::Header {
    fn size(&self) -> io::Result<u64> {
        self.raw_file_size()
    }
    fn raw_file_size(&self) -> io::Result<u64> {
        self.size()
    }
}

/// The header in words, with the owner's names that are given, for the answer.
pub fn detail(header: &library::Header, user: Option<&[u8]>, group: Option<&[u8]>) -> String {
    let number = |field: io::Result<u64>| field.map_or("?".into(), |value| value.to_string());
    let owner = |name: Option<&[u8]>| name.map_or("?".into(), |bytes| String::from_utf8_lossy(bytes).into_owned());
    format!(
        "type {:?}, size {}, mode {}, mtime {}, uid {}, gid {}, uname {}, gname {}",
        header.entry_type(),
        number(header.size()),
        header.mode().map_or("?".into(), |mode| format!("{mode:o}")),
        number(header.mtime()),
        number(header.uid().map(u64::from)),
        number(header.gid().map(u64::from)),
        owner(user),
        owner(group),
    )
}
