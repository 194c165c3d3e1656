/* Opening, describing and changing files and directories. */
#include "probe.h"
#include <dirent.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <utime.h>

static struct stat st;

/* Opening. */
PROBE(open, "O_RDONLY", file("f"), FD(L(open)("f", O_RDONLY)))
PROBE(open, "O_CREAT", , FD(L(open)("f", O_WRONLY | O_CREAT | O_TRUNC, 0640)))
PROBE(open, "not there", , FD(L(open)("f", O_RDONLY)))
PROBE(openat, "O_RDONLY", file("f"), FD(L(openat)(AT_FDCWD, "f", O_RDONLY)))
PROBE(creat, "", , FD(L(creat)("f", 0640)))
PROBE(close, "", int fd = file("f"), NUMBER(L(close)(fd)))
PROBE(access, "F_OK", file("f"), NUMBER(L(access)("f", F_OK)))
PROBE(stat, "", file("f"), NUMBER(L(stat)("f", &st)))
PROBE(fstat, "", int fd = file("f"), NUMBER(L(fstat)(fd, &st)))
PROBE(faccessat, "AT_EACCESS", file("f"), NUMBER(L(faccessat)(AT_FDCWD, "f", R_OK, AT_EACCESS)))
