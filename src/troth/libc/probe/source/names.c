/* Names: hosts, services, interfaces, users and groups, and the files that tell them. */
#include "probe.h"
#include <arpa/inet.h>
#include <grp.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <netinet/in.h>
#include <pwd.h>
#include <resolv.h>
#include <shadow.h>
#include <sys/socket.h>
#include <utmp.h>
#include <utmpx.h>
#ifdef __GLIBC__
#include <aliases.h>
#include <fstab.h>
#include <gshadow.h>
#endif
#include <mntent.h>

static struct addrinfo numeric = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
static struct addrinfo streams = { .ai_socktype = SOCK_STREAM };
static struct addrinfo usable = { .ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM };
static struct addrinfo inet_only = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
static struct addrinfo *found;
static struct ifaddrs *interfaces;
static struct sockaddr_in loopback = { .sin_family = AF_INET };
static struct passwd user, *u;
static struct group group, *g;
static struct utmpx entry = { .ut_type = USER_PROCESS, .ut_user = "root", .ut_line = "pts/0" };
static struct ether_addr ether;
static unsigned char answer[512];
static FILE *table;

static struct sockaddr_in *here(void)
{
	loopback.sin_addr.s_addr = 0x0100007f;
	loopback.sin_port = 0x5000;
	return &loopback;
}

/* A name server that answers each question with one address, in the calls that nobody sees. */
static void name_server(void)
{
	static unsigned char question[512];
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = 0x3500 };
	struct sockaddr_in from;
	long s;
	at.sin_addr.s_addr = 0x0100007f;
	s = L(socket)(AF_INET, SOCK_DGRAM, 0);
	L(bind)(s, (void *)&at, sizeof at);
	if (helper() != 0) {
		L(close)(s);
		return;
	}
	for (;;) {
		struct iovec word = { question, sizeof question };
		struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &word, .msg_iovlen = 1 };
		long n = unseen(SYS_recvmsg, s, (long)&message, 0, 0, 0);
		if (n < 12)
			continue;
		question[2] |= 0x80;                        /* an answer */
		question[3] = 0x80;
		question[10] = question[11] = 0;            /* without the question's additional records */
		long end = 12;
		while (question[end])
			end += question[end] + 1;
		end += 5;
		if (question[end - 3] == 1) {               /* to a question for an IPv4 address: 127.0.0.9 */
			static const unsigned char a[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 127, 0, 0, 9 };
			L(memcpy)(question + end, a, sizeof a);
			end += sizeof a;
			question[7] = 1;
		}
		word.iov_len = end;
		unseen(SYS_sendmsg, s, (long)&message, 0, 0, 0);
	}
}

/* Hosts. A libc that may not read its files asks the name server, and would wait for one that is not there. */
PROBE(getaddrinfo, "a number", , VALUE(L(getaddrinfo)("127.0.0.1", "80", &numeric, &found)))
PROBE(getaddrinfo, "of /etc/hosts", name_server(), VALUE(L(getaddrinfo)("box", NULL, &inet_only, &found)))
PROBE(getaddrinfo, "localhost", name_server(), VALUE(L(getaddrinfo)("localhost", "http", &streams, &found)))
PROBE(getaddrinfo, "AI_ADDRCONFIG", name_server(), VALUE(L(getaddrinfo)("localhost", NULL, &usable, &found)))
PROBE(getaddrinfo, "of a name server", name_server(), VALUE(L(getaddrinfo)("a.test.", NULL, &streams, &found)))
FIRST(getaddrinfo, "first", name_server(), VALUE(L(getaddrinfo)("box", NULL, &inet_only, &found)))
PROBE(getnameinfo, "NI_NUMERICHOST", here(),
      VALUE(L(getnameinfo)((void *)&loopback, sizeof loopback, buffer, 99, NULL, 0, NI_NUMERICHOST)))
PROBE(getnameinfo, "of /etc/hosts", here(); name_server(),
      VALUE(L(getnameinfo)((void *)&loopback, sizeof loopback, buffer, 99, buffer + 99, 99, 0)))
PROBE(gethostbyname, "of /etc/hosts", name_server(), POINTER(L(gethostbyname)("box")))
PROBE(gethostbyname, "of a name server", name_server(), POINTER(L(gethostbyname)("a.test.")))
PROBE(gethostbyname2, "of /etc/hosts", name_server(), POINTER(L(gethostbyname2)("box", AF_INET)))
PROBE(gethostbyaddr, "of /etc/hosts", here(); name_server(), POINTER(L(gethostbyaddr)(&loopback.sin_addr, 4, AF_INET)))
PROBE(gethostent, "", , VALUE((L(gethostent)(), 0)))
PROBE(__res_init, "", , NUMBER(N(int(void), __res_init)()))
PROBE(res_query, "", name_server(), VALUE(N(int(const char *, int, int, unsigned char *, int), res_query)("a.test", 1, 1, answer, 512) > 0))
PROBE(gethostname, "", , NUMBER(L(gethostname)(buffer, 99)))
PROBE(sethostname, "", , NUMBER(L(sethostname)("box", 3)))
PROBE(getdomainname, "", , NUMBER(L(getdomainname)(buffer, 99)))
PROBE(setdomainname, "", , NUMBER(L(setdomainname)("box", 3)))

/* Services, protocols, networks, interfaces. */
PROBE(getservbyname, "", , POINTER(L(getservbyname)("http", "tcp")))
PROBE(getservbyport, "", , POINTER(L(getservbyport)(0x5000, "tcp")))
PROBE(getservent, "", , DONE((L(getservent)(), 0)))
PROBE(getprotobyname, "", , POINTER(L(getprotobyname)("tcp")))
PROBE(getprotobynumber, "", , POINTER(L(getprotobynumber)(17)))
PROBE(getnetbyname, "", name_server(), DONE((L(getnetbyname)("loopback"), 0)))
PROBE(if_nametoindex, "", , VALUE(L(if_nametoindex)("lo")))
PROBE(if_indextoname, "", , POINTER(L(if_indextoname)(1, buffer)))
PROBE(if_nameindex, "", , POINTER(L(if_nameindex)()))
PROBE(getifaddrs, "", , NUMBER(L(getifaddrs)(&interfaces)))
PROBE(ether_hostton, "", , VALUE(L(ether_hostton)("box", &ether)))

/* Users and groups. */
PROBE(getpwnam, "", , POINTER(L(getpwnam)("daemon")))
PROBE(getpwnam, "not there", , VALUE(L(getpwnam)("nobody") == NULL))
FIRST(getpwnam, "first", , POINTER(L(getpwnam)("daemon")))
PROBE(getpwuid, "", , POINTER(L(getpwuid)(1)))
PROBE(getpwnam_r, "", , ERROR(L(getpwnam_r)("daemon", &user, buffer, 4096, &u)))
PROBE(getpwuid_r, "", , ERROR(L(getpwuid_r)(1, &user, buffer, 4096, &u)))
PROBE(getpwent, "", , POINTER(L(getpwent)()))
PROBE(setpwent, "", L(getpwent)(), DONE((L(setpwent)(), 0)))
PROBE(endpwent, "", L(getpwent)(), DONE((L(endpwent)(), 0)))
PROBE(fgetpwent, "", table = L(fopen)("/etc/passwd", "r"), POINTER(L(fgetpwent)(table)))
PROBE(getgrnam, "", , POINTER(L(getgrnam)("daemon")))
PROBE(getgrgid, "", , POINTER(L(getgrgid)(1)))
PROBE(getgrnam_r, "", , ERROR(L(getgrnam_r)("daemon", &group, buffer, 4096, &g)))
PROBE(getgrgid_r, "", , ERROR(L(getgrgid_r)(1, &group, buffer, 4096, &g)))
PROBE(getgrent, "", , POINTER(L(getgrent)()))
PROBE(getspnam, "", , POINTER(L(getspnam)("root")))
PROBE(getlogin, "", , DONE((L(getlogin)(), 0)))
PROBE(getlogin_r, "", , DONE((L(getlogin_r)(buffer, 99), 0)))
PROBE(getusershell, "", , POINTER(L(getusershell)()))
PROBE(lckpwdf, "", , NUMBER(L(lckpwdf)()))
PROBE(setmntent, "", , POINTER(L(setmntent)("/etc/mtab", "r")))
PROBE(getmntent, "", table = L(setmntent)("/etc/mtab", "r"), POINTER(L(getmntent)(table)))
#ifdef __GLIBC__
PROBE(getsgnam, "", , POINTER(L(getsgnam)("root")))
PROBE(getrpcbyname, "", , POINTER(L(getrpcbyname)("portmapper")))
PROBE(getaliasbyname, "", , POINTER(L(getaliasbyname)("postmaster")))
PROBE(getfsent, "", , POINTER(L(getfsent)()))
PROBE(innetgr, "", , VALUE(L(innetgr)("none", "box", NULL, NULL)))
PROBE(cuserid, "", , POINTER(N(char *(char *), cuserid)(buffer)))
#endif

/* Who is logged in. */
PROBE(getutxent, "", , DONE((L(getutxent)(), 0)))
PROBE(setutxent, "", , DONE((L(setutxent)(), 0)))
PROBE(pututxline, "", , DONE((L(pututxline)(&entry), 0)))
PROBE(updwtmp, "", , DONE((N(void(const char *, void *), updwtmp)("/var/log/wtmp", &entry), 0)))
PROBE(logwtmp, "", , DONE((N(void(const char *, const char *, const char *), logwtmp)("pts/0", "root", "box"), 0)))
PROBE(login, "", , DONE((N(void(void *), login)(&entry), 0)))
PROBE(logout, "", , VALUE(N(int(const char *), logout)("pts/0")))
