module untar

go 1.24
