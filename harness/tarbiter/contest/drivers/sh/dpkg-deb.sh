#!/bin/sh
# dpkg-deb.sh ARCHIVE DEST: puts the archive into a .deb, as its data.tar, and has dpkg-deb extract that.
set -e
header() { printf '%-16s%-12s%-6s%-6s%-8s%-10s`\n' "$1" 0 0 0 100644 "$2"; }
size=$(stat -c %s "$1")
{
    printf '!<arch>\n'
    header debian-binary 4
    printf '2.0\n'
    header control.tar 1024
    head -c 1024 /dev/zero
    header data.tar "$size"
    cat "$1"
    [ $((size % 2)) = 0 ] || echo
} >archive.deb
exec dpkg-deb -x archive.deb "$2"
