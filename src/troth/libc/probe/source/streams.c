/* stdio: streams of files, pipes and terminals, and what their first use does. */
#include "probe.h"
#include <sys/socket.h>
#include <wchar.h>

static FILE *f;
static char *line;
static size_t room;
static fpos_t place;
static int number;

/* A stream of a file that was used already, so that its buffer is there. */
static FILE *stream(const char *mode)
{
	L(close)(file("f"));
	f = L(fopen)("f", mode);
	return f;
}

static FILE *used(void)
{
	stream("r+");
	L(fgetc)(f);
	return f;
}

static FILE *written(void)
{
	stream("w");
	L(fputs)("text", f);
	return f;
}

/* Standard output becomes something else. */
static void output_to(int fd)
{
	L(dup2)(fd, 1);
	L(close)(fd);
}

static int print(const char *format, ...)
{
	va_list list;
	int n;
	va_start(list, format);
	n = L(vfprintf)(f, format, list);
	va_end(list);
	return n;
}

/* Opening and closing. */
PROBE(fopen, "r", file("f"), POINTER(L(fopen)("f", "r")))
PROBE(fopen, "re", file("f"), POINTER(L(fopen)("f", "re")))
PROBE(fopen, "r+", file("f"), POINTER(L(fopen)("f", "r+")))
PROBE(fopen, "w", , POINTER(L(fopen)("f", "w")))
PROBE(fopen, "wx", , POINTER(L(fopen)("f", "wx")))
PROBE(fopen, "a", file("f"), POINTER(L(fopen)("f", "a")))
PROBE(fopen, "not there", , POINTER(L(fopen)("f", "r")))
FIRST(fopen, "first", L(close)(file("f")), POINTER(L(fopen)("f", "r")))
PROBE(fdopen, "r", int fd = file("f"), POINTER(L(fdopen)(fd, "r")))
PROBE(fdopen, "a", int fd = file("f"), POINTER(L(fdopen)(fd, "a")))
PROBE(freopen, "another file", stream("r"), POINTER(L(freopen)("f", "r+", f)))
PROBE(freopen, "another mode", stream("r+"), POINTER(L(freopen)(NULL, "r", f)))
PROBE(fclose, "read", used(), NUMBER(L(fclose)(f)))
PROBE(fclose, "written", written(), NUMBER(L(fclose)(f)))
PROBE(tmpfile, "", , POINTER(L(tmpfile)()))
PROBE(fmemopen, "", , POINTER(L(fmemopen)(buffer, 99, "r+")))
PROBE(open_memstream, "", , POINTER(L(open_memstream)(&line, &room)))
#ifdef __GLIBC__
PROBE(fopen64, "r", file("f"), POINTER(L(fopen64)("f", "r")))
PROBE(tmpfile64, "", , POINTER(L(tmpfile64)()))
PROBE(fopencookie, "", , POINTER(L(fopencookie)(NULL, "r", (cookie_io_functions_t){ 0 })))
PROBE(fopen, "rm", file("f"), POINTER(L(fopen)("f", "rm")))      /* by mmap, if it can be */
PROBE(fcloseall, "", written(), NUMBER(L(fcloseall)()))
#endif

/* Reading. */
PROBE(fgetc, "first", stream("r"), NUMBER(L(fgetc)(f)))
PROBE(fgetc, "at the end", stream("r"); while (L(fgetc)(f) >= 0), VALUE(L(fgetc)(f)))
PROBE(getc, "first", stream("r"), NUMBER(L(getc)(f)))
PROBE(fgets, "first", stream("r"), POINTER(L(fgets)(buffer, 99, f)))
PROBE(fread, "small", stream("r"), VALUE(L(fread)(buffer, 1, 10, f)))
PROBE(fread, "large", stream("r"), VALUE(L(fread)(buffer, 1, 60000, f)))
PROBE(getline, "", stream("r"), NUMBER(L(getline)(&line, &room, f)))
PROBE(getdelim, "", stream("r"), NUMBER(L(getdelim)(&line, &room, ' ', f)))
PROBE(fscanf, "", stream("r"), VALUE(L(fscanf)(f, "%d", &number)))
PROBE(fgetwc, "", stream("r"), VALUE(L(fgetwc)(f)))
PROBE(ungetc, "", used(), NUMBER(L(ungetc)('x', f)))
PROBE(getchar, "a pipe", int p = pipe_with("text"); L(dup2)(p, 0), VALUE(L(getchar)()))
PROBE(scanf, "a pipe", int p = pipe_with("7"); L(dup2)(p, 0), VALUE(L(scanf)("%d", &number)))

/* Writing. */
PROBE(fputc, "first", stream("w"), NUMBER(L(fputc)('x', f)))
PROBE(fputs, "first", stream("w"), NUMBER(L(fputs)("text", f) >= 0))
PROBE(fwrite, "small", stream("w"), VALUE(L(fwrite)("text", 1, 4, f)))
PROBE(fwrite, "large", stream("w"), VALUE(L(fwrite)(buffer, 1, 60000, f)))
PROBE(fprintf, "first", stream("w"), NUMBER(L(fprintf)(f, "%d %s\n", 7, "text")))
PROBE(fprintf, "a floating number", stream("w"), NUMBER(L(fprintf)(f, "%g", 1.5)))
PROBE(vfprintf, "first", stream("w"), NUMBER(print("%d\n", 7)))
PROBE(fprintf, "stderr", , NUMBER(L(fprintf)(stderr, "%d\n", 7)))
PROBE(dprintf, "", int fd = file("f"), NUMBER(L(dprintf)(fd, "%d\n", 7)))
PROBE(fwprintf, "", stream("w"), NUMBER(L(fwprintf)(f, L"%d", 7)))
PROBE(fputwc, "", stream("w"), VALUE(L(fputwc)(L'x', f)))
PROBE(printf, "a terminal", output_to(terminal()), NUMBER(L(printf)("%d\n", 7)))
PROBE(printf, "a file", output_to(file("f")), NUMBER(L(printf)("%d\n", 7)))
PROBE(printf, "a device", , NUMBER(L(printf)("%d\n", 7)))
PROBE(printf, "a socket", int s[2]; L(socketpair)(1, 1, 0, s); output_to(s[0]), NUMBER(L(printf)("%d\n", 7)))
PROBE(printf, "a closed descriptor", L(close)(1), NUMBER(L(printf)("%d\n", 7)))
FIRST(printf, "first", , NUMBER(L(printf)("%d\n", 7)))
PROBE(puts, "a terminal", output_to(terminal()), NUMBER(L(puts)("text") >= 0))
PROBE(putchar, "a terminal", output_to(terminal()), NUMBER(L(putchar)('x')))
PROBE(puts, "a file", output_to(file("f")), NUMBER(L(puts)("text") >= 0))
PROBE(perror, "", errno = ENOENT, DONE((L(perror)("text"), 0)))
PROBE(psignal, "", , DONE((L(psignal)(SIGHUP, "text"), 0)))
PROBE(fflush, "", written(), NUMBER(L(fflush)(f)))
PROBE(fflush, "all", written(), NUMBER(L(fflush)(NULL)))
PROBE(fflush, "read", used(), NUMBER(L(fflush)(f)))

/* Position, buffers. */
PROBE(fseek, "SEEK_SET", used(), NUMBER(L(fseek)(f, 4, SEEK_SET)))
PROBE(fseek, "SEEK_END", used(), NUMBER(L(fseek)(f, 0, SEEK_END)))
PROBE(fseek, "SEEK_END, unused", stream("r"), NUMBER(L(fseek)(f, 0, SEEK_END)))
PROBE(fseek, "written", written(), NUMBER(L(fseek)(f, 0, SEEK_SET)))
PROBE(fseeko, "SEEK_SET", used(), NUMBER(L(fseeko)(f, 4, SEEK_SET)))
PROBE(ftell, "read", used(), NUMBER(L(ftell)(f)))
PROBE(ftell, "written", written(), NUMBER(L(ftell)(f)))
PROBE(ftello, "unused", stream("r"), NUMBER(L(ftello)(f)))
PROBE(rewind, "", used(), DONE((L(rewind)(f), 0)))
PROBE(fgetpos, "", used(), NUMBER(L(fgetpos)(f, &place)))
PROBE(fsetpos, "", used(); L(fgetpos)(f, &place), NUMBER(L(fsetpos)(f, &place)))
PROBE(setvbuf, "_IOFBF", stream("r"), NUMBER(L(setvbuf)(f, NULL, _IOFBF, 8192)))
PROBE(setvbuf, "_IONBF", stream("r"), NUMBER(L(setvbuf)(f, NULL, _IONBF, 0)))
PROBE(setbuf, "", stream("r"), DONE((L(setbuf)(f, NULL), 0)))
PROBE(flockfile, "", stream("r"), DONE((L(flockfile)(f), 0)))

/* To and from a command. */
PROBE(popen, "r", , POINTER(L(popen)("x", "r")))
PROBE(popen, "w", , POINTER(L(popen)("x", "w")))
PROBE(popen, "re", , POINTER(L(popen)("x", "re")))
PROBE(pclose, "", f = L(popen)("x", "r"); pause_ms(20), NUMBER(L(pclose)(f)))
