//! Extract or list an archive with the crates `tar` and flate2: `untar x|t ARCHIVE [DEST]`.
use std::{env, fs::File, io::{BufReader, Read, Write}};

fn main() -> std::io::Result<()> {
    let words: Vec<String> = env::args().collect();
    let file = BufReader::with_capacity(1 << 18, File::open(&words[2])?);
    let plain: Box<dyn Read> = if words[2].ends_with(".gz") {
        Box::new(BufReader::with_capacity(1 << 16, flate2::bufread::MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    };
    let mut archive = tar::Archive::new(plain);
    if words[1] == "x" {
        return archive.unpack(&words[3]);
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for entry in archive.entries()? {
        out.write_all(&entry?.path_bytes())?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
