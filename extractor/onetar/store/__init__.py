"""What an extraction remembers about its members, in bounded memory.

`names`               what is known about each path (one digest and one byte for each older path)
`rows`                what became of each member (older rows are compressed)
`directory_metadata`  owner, mode and times to set on each directory at the end (older entries are compressed)
`spool`               where compressed rows and directories are kept: in memory, then in a temporary file
"""
