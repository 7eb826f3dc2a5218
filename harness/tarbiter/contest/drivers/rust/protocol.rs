//! The driver protocol without a JSON library: requests have one fixed spelling, answers need escapes only.
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, BufRead, Write as _};

/// One archive to extract, already read: it arrives in pieces of `chunks` bytes, used in turn.
pub struct Request {
    pub dest: String,
    pub data: Vec<u8>,
    pub chunks: Vec<usize>,
    #[allow(dead_code)] // a synchronous library has no use for it
    pub pause: bool,
}

impl Request {
    /// How many bytes the read number `turn` may give of `room`, when `at` bytes have been read.
    pub fn piece(&self, turn: usize, at: usize, room: usize) -> usize {
        let size = if self.chunks.is_empty() { usize::MAX } else { self.chunks[turn % self.chunks.len()] };
        size.min(room).min(self.data.len() - at)
    }
}

extern "C" {
    fn umask(mask: u32) -> u32;
}

fn value<'a>(line: &'a str, key: &str, end: &[char]) -> &'a str {
    let start = line.find(key).expect("a request has every key") + key.len();
    let rest = &line[start..];
    &rest[..rest.find(end).expect("a value ends")]
}

fn escaped(text: &str) -> String {
    text.encode_utf16().fold(String::new(), |mut out, unit| {
        match char::from_u32(u32::from(unit)) {
            Some(one @ ' '..='~') if one != '"' && one != '\\' => out.push(one),
            _ => write!(out, "\\u{unit:04x}").expect("a string takes everything"),
        }
        out
    })
}

/// Answer requests until standard input ends. `list` gives the members' names and details, `extract` extracts.
pub fn serve(
    extract: impl Fn(Request) -> io::Result<()>,
    list: impl Fn(Request) -> io::Result<Vec<(Vec<u8>, String)>>,
) -> io::Result<()> {
    println!("{{\"tarbiter\":1}}");
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let request = || -> io::Result<Request> {
            let chunks = value(&line, "\"chunks\":[", &[']']).split(',').filter_map(|size| size.parse().ok());
            let (dest, pause) = (value(&line, "\"dest\":\"", &['"']).into(), line.contains("\"pause\":true"));
            let data = std::fs::read(value(&line, "\"archive\":\"", &['"']))?;
            Ok(Request { dest, data, chunks: chunks.filter(|size| *size > 0).collect(), pause })
        };
        unsafe { umask(value(&line, "\"umask\":", &[',', '}']).parse().expect("umask is a number")) };
        let mut answer = format!("{{\"id\":{},\"status\":", value(&line, "\"id\":", &[',', '}']));
        match request().and_then(&extract) {
            Ok(()) => answer += "\"ok\"",
            Err(error) => {
                let (mut text, mut cause) = (error.to_string(), error.source());
                while let Some(inner) = cause {
                    write!(text, ": {inner}").expect("a string takes everything");
                    cause = inner.source();
                }
                answer += &format!("\"refused\",\"class\":\"{:?}\",\"error\":\"{}\"", error.kind(), escaped(&text));
            }
        }
        if line.contains("\"list\":true") {
            let hex = |name: &Vec<u8>| name.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let rows = request().and_then(&list).unwrap_or_default();
            let (names, details): (Vec<_>, Vec<_>) =
                rows.iter().map(|(name, said)| (format!("\"{}\"", hex(name)), format!("\"{}\"", escaped(said)))).unzip();
            answer += &format!(",\"names\":[{}],\"details\":[{}]", names.join(","), details.join(","));
        }
        println!("{answer}}}");
        io::stdout().flush()?;
    }
    Ok(())
}
