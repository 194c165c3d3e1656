/* Terminals, on a pseudo-terminal of the box. */
#include "probe.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <utmp.h>

static int fd, master, slave;
static struct termios modes;
static struct winsize window;

/* A terminal that controls its session. */
static int controlling(void)
{
	L(setsid)();
	fd = terminal();
	L(ioctl)(fd, TIOCSCTTY, 0);
	return fd;
}

static int with_modes(void)
{
	fd = terminal();
	L(tcgetattr)(fd, &modes);
	return fd;
}

/* The session's terminal, at which somebody types a word in a moment. */
static void typed_later(void)
{
	L(setsid)();
	L(openpty)(&master, &slave, NULL, NULL, NULL);
	L(ioctl)(slave, TIOCSCTTY, 0);
	if (helper() == 0) {
		for (;;) {
			pause_ms(20);
			unseen(SYS_write, master, (long)"word\n", 5, 0, 0);
		}
	}
}

PROBE(isatty, "a terminal", fd = terminal(), VALUE(L(isatty)(fd)))
PROBE(isatty, "a file", fd = file("f"), VALUE(L(isatty)(fd)))
PROBE(ttyname, "", fd = terminal(), POINTER(L(ttyname)(fd)))
PROBE(ttyname_r, "", fd = terminal(), ERROR(L(ttyname_r)(fd, buffer, 99)))
PROBE(ctermid, "", , POINTER(L(ctermid)(buffer)))
PROBE(tcgetattr, "", fd = terminal(), NUMBER(L(tcgetattr)(fd, &modes)))
PROBE(tcsetattr, "TCSANOW", with_modes(), NUMBER(L(tcsetattr)(fd, TCSANOW, &modes)))
PROBE(tcsetattr, "TCSADRAIN", with_modes(), NUMBER(L(tcsetattr)(fd, TCSADRAIN, &modes)))
PROBE(tcsetattr, "TCSAFLUSH", with_modes(), NUMBER(L(tcsetattr)(fd, TCSAFLUSH, &modes)))
PROBE(tcsendbreak, "", fd = terminal(), NUMBER(L(tcsendbreak)(fd, 0)))
PROBE(tcdrain, "", fd = terminal(), NUMBER(L(tcdrain)(fd)))
PROBE(tcflush, "", fd = terminal(), NUMBER(L(tcflush)(fd, TCIOFLUSH)))
PROBE(tcflow, "", fd = terminal(), NUMBER(L(tcflow)(fd, TCOON)))
PROBE(tcgetpgrp, "", controlling(), FD(L(tcgetpgrp)(fd)))
PROBE(tcsetpgrp, "", controlling(); int p = L(getpid)(), NUMBER(L(tcsetpgrp)(fd, p)))
PROBE(tcgetsid, "", controlling(), FD(L(tcgetsid)(fd)))
PROBE(tcgetwinsize, "", fd = terminal(), NUMBER(N(int(int, void *), tcgetwinsize)(fd, &window)))
PROBE(tcsetwinsize, "", fd = terminal(), NUMBER(N(int(int, void *), tcsetwinsize)(fd, &window)))
PROBE(ioctl, "TIOCGWINSZ", fd = terminal(), NUMBER(L(ioctl)(fd, TIOCGWINSZ, &window)))
PROBE(ioctl, "TIOCSCTTY", L(setsid)(); fd = terminal(), NUMBER(L(ioctl)(fd, TIOCSCTTY, 0)))
PROBE(posix_openpt, "", , FD(L(posix_openpt)(O_RDWR | O_NOCTTY)))
PROBE(grantpt, "", master = L(posix_openpt)(O_RDWR | O_NOCTTY), NUMBER(L(grantpt)(master)))
PROBE(unlockpt, "", master = L(posix_openpt)(O_RDWR | O_NOCTTY), NUMBER(L(unlockpt)(master)))
PROBE(ptsname, "", master = L(posix_openpt)(O_RDWR | O_NOCTTY), POINTER(L(ptsname)(master)))
PROBE(ptsname_r, "", master = L(posix_openpt)(O_RDWR | O_NOCTTY), ERROR(L(ptsname_r)(master, buffer, 99)))
PROBE(openpty, "", , NUMBER(L(openpty)(&master, &slave, NULL, NULL, NULL)))
PROBE(forkpty, "", , ({ pid_t p = L(forkpty)(&master, NULL, NULL, NULL); if (!p) leave(0); FD(p); }))
PROBE(login_tty, "", fd = terminal(), NUMBER(L(login_tty)(fd)))
PROBE(vhangup, "", , NUMBER(L(vhangup)()))
PROBE(getpass, "", typed_later(), POINTER(L(getpass)("")))
#ifdef __GLIBC__
PROBE(getpt, "", , FD(L(getpt)()))
#endif
