//! A consumer of the exported corpus in Rust, without any crate: a small JSON reader, and a reader of plain ustar
//! that says of every case with one allowed tree whether it finds the same files. It writes no files.
//!
//!     rustc -O consumer.rs && ./consumer DIR

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs, process};

#[derive(Debug, Clone)]
enum Json {
    Other,
    Number(f64),
    Bool(bool),
    Text(String),
    List(Vec<Json>),
    Table(BTreeMap<String, Json>),
}

impl Json {
    fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Table(table) => table.get(key),
            _ => None,
        }
    }
    fn text(&self, key: &str) -> &str {
        match self.get(key) {
            Some(Json::Text(text)) => text,
            _ => "",
        }
    }
    fn list(&self, key: &str) -> &[Json] {
        match self.get(key) {
            Some(Json::List(items)) => items,
            _ => &[],
        }
    }
    fn number(&self, key: &str) -> Option<usize> {
        match self.get(key) {
            Some(Json::Number(value)) => Some(*value as usize),
            _ => None,
        }
    }
    fn yes(&self, key: &str) -> bool {
        matches!(self.get(key), Some(Json::Bool(true)))
    }
}

/// Reads JSON that a program wrote: whatever is wrong with it ends this one.
struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn space(&mut self) {
        while self.data[self.at].is_ascii_whitespace() {
            self.at += 1;
        }
    }
    fn next(&mut self) -> u8 {
        self.space();
        self.at += 1;
        self.data[self.at - 1]
    }
    fn value(&mut self) -> Json {
        match self.next() {
            b'{' => self.table(),
            b'[' => self.items(),
            b'"' => Json::Text(self.string()),
            first => {
                let start = self.at - 1;
                while self.at < self.data.len() && !b",]} \n".contains(&self.data[self.at]) {
                    self.at += 1;
                }
                let word = std::str::from_utf8(&self.data[start..self.at]).unwrap();
                match first {
                    b't' | b'f' => Json::Bool(word == "true"),
                    b'n' => Json::Other,
                    _ => Json::Number(word.parse().unwrap()),
                }
            }
        }
    }
    fn table(&mut self) -> Json {
        let mut out = BTreeMap::new();
        loop {
            match self.next() {
                b'}' => return Json::Table(out),
                b',' => {}
                _ => {
                    let key = self.string();
                    self.next(); // the colon
                    out.insert(key, self.value());
                }
            }
        }
    }
    fn items(&mut self) -> Json {
        let mut out = Vec::new();
        loop {
            self.space();
            match self.data[self.at] {
                b']' => {
                    self.at += 1;
                    return Json::List(out);
                }
                b',' => self.at += 1,
                _ => out.push(self.value()),
            }
        }
    }
    fn string(&mut self) -> String {
        let mut out = Vec::new();
        loop {
            let byte = self.data[self.at];
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8(out).unwrap(),
                b'\\' => {
                    let code = self.data[self.at];
                    self.at += 1;
                    match code {
                        b'n' => out.push(b'\n'),
                        b't' => out.push(b'\t'),
                        b'r' => out.push(b'\r'),
                        b'u' => {
                            let digits = std::str::from_utf8(&self.data[self.at..self.at + 4]).unwrap();
                            let value = u32::from_str_radix(digits, 16).unwrap();
                            let char = char::from_u32(value).unwrap_or('\u{fffd}');
                            out.extend(char.to_string().bytes());
                            self.at += 4;
                        }
                        other => out.push(other),
                    }
                }
                other => out.push(other),
            }
        }
    }
}

fn read(path: &Path) -> Json {
    let data = fs::read(path).unwrap_or_else(|error| fail(&format!("{}: {error}", path.display())));
    Reader { data: &data, at: 0 }.value()
}

fn fail(words: &str) -> ! {
    eprintln!("{words}");
    process::exit(2)
}

/// The bytes that a text of the corpus stands for: `\\`, `\n` and `\xNN`.
fn unescape(text: &str) -> Vec<u8> {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        match bytes[at + 1] {
            b'n' => out.push(b'\n'),
            b'x' => {
                out.push(u8::from_str_radix(&text[at + 2..at + 4], 16).unwrap());
                at += 2;
            }
            other => out.push(other),
        }
        at += 2;
    }
    out
}

fn octal(field: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(|char| char == ' ' || char == '\0');
    usize::from_str_radix(text, 8).ok()
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or(field)
}

/// The regular files of an archive with their contents, as a reader sees them that knows ustar and nothing else.
fn files(archive: &[u8]) -> Option<BTreeMap<Vec<u8>, &[u8]>> {
    let (mut found, mut at) = (BTreeMap::new(), 0);
    while at + 512 <= archive.len() {
        let header = &archive[at..at + 512];
        if header.iter().all(|byte| *byte == 0) {
            return Some(found);
        }
        let sum: usize = header.iter().map(|byte| *byte as usize).sum();
        let field: usize = header[148..156].iter().map(|byte| *byte as usize).sum();
        if octal(&header[148..156])? != sum - field + 8 * 32 || &header[257..263] != b"ustar\0" {
            return None;
        }
        let size = octal(&header[124..136])?;
        let mut name = until_nul(&header[345..500]).to_vec();
        if !name.is_empty() {
            name.push(b'/');
        }
        name.extend(until_nul(&header[..100]));
        if name.starts_with(b"./") {
            name.drain(..2);
        }
        if matches!(header[156], b'0' | 0) {
            found.insert(name, archive.get(at + 512..at + 512 + size)?);
        }
        at += 512 + size.div_ceil(512) * 512;
    }
    None
}

fn agrees(tree: &[Json], found: &BTreeMap<Vec<u8>, &[u8]>) -> bool {
    tree.iter().filter(|want| want.text("type") == "file" && want.get("same").is_none()).all(|want| {
        let Some(body) = found.get(&unescape(want.text("name"))) else { return false };
        let same = want.get("data").is_none() || unescape(want.text("data")) == *body;
        same && want.number("size").is_none_or(|size| size == body.len())
    })
}

fn main() {
    let root = env::args().nth(1).unwrap_or_else(|| fail("usage: consumer DIR"));
    let root = Path::new(&root);
    let index = read(&root.join("index.json"));
    if index.number("format") != Some(1) {
        fail("a format that is not known here");
    }
    let (mut passes, mut differs, mut not_run) = (0, 0, 0);
    for row in index.list("cases") {
        let one = read(&root.join(row.text("document")));
        let archive = fs::read(root.join(one.text("archive"))).unwrap_or_else(|error| fail(&error.to_string()));
        if Some(archive.len()) != one.number("size") {
            fail(&format!("{} is not the archive that its document is about", one.text("archive")));
        }
        let plain = ["world", "schedule", "compression"].iter().all(|key| one.get(key).is_none());
        let allowed = one.list("allowed");
        let word = if !plain || one.text("verdict") != "must" || allowed[0].yes("refuse") {
            not_run += 1;
            "not run"
        } else if files(&archive).is_some_and(|found| agrees(allowed[0].list("tree"), &found)) {
            passes += 1;
            "passes"
        } else {
            differs += 1;
            "differs"
        };
        println!("{word} {}", one.text("id"));
    }
    println!("{passes} pass, {differs} differ, {not_run} not run");
}
