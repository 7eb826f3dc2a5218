# Extracts with the reader and the extraction of RubyGems (Gem::Package), and speaks the driver protocol around it.
require "fileutils"
require "json"
require "rubygems/package"
require "stringio"
require "zlib"

say = $stdout.dup
say.sync = true
$stdout.reopen($stderr) # libraries print
say.puts '{"tarbiter":1}'

# ArgumentError is what it raises itself for a field that is no number.
PROMISED = [Gem::Package::Error, Gem::Package::TarInvalidError, SystemCallError, EOFError, ArgumentError].freeze

while (line = $stdin.gets)
  order = JSON.parse(line)
  answer = { id: order["id"], status: "ok" }
  File.umask(order["umask"])
  begin
    data = File.binread(order["archive"])
    # What it extracts is gzipped, as the data.tar.gz of a gem is.
    Gem::Package.allocate.extract_tar_gz(StringIO.new(Zlib.gzip(data)), order["dest"])
  rescue NoMemoryError => error
    answer.merge!(status: "limit", class: "NoMemoryError", error: error.message)
  rescue StandardError => error
    promised = PROMISED.any? { |kind| error.is_a?(kind) }
    text = error.message.dup.force_encoding("UTF-8").scrub
    answer.merge!(status: promised ? "refused" : "crashed", class: error.class.name, error: text)
  end
  if order["list"] && data
    names = []
    begin
      Gem::Package::TarReader.new(StringIO.new(data)).each { |entry| names << entry.full_name.unpack1("H*") }
    rescue StandardError => error
      warn error.message # how it extracted has been told already
    end
    answer[:names] = names
  end
  say.puts JSON.generate(answer)
end
