/* Sockets, and waiting for descriptors. */
#include "probe.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>

static int pair[2], fd, on = 1;
static struct sockaddr_un local = { .sun_family = AF_UNIX, .sun_path = "s" };
static struct sockaddr_in inet = { .sin_family = AF_INET };
static socklen_t size = sizeof inet;
static struct iovec words = { buffer, 4 };
static struct msghdr message = { .msg_iov = &words, .msg_iovlen = 1 };
static struct mmsghdr several[1];
static struct pollfd wanted;
static struct epoll_event event;
static fd_set set;
static struct timeval tv = { 0, 2000 };
static struct timespec ts = { 0, 2000000 };

/* A pair of sockets; the second has something to read. */
static int *joined(int type)
{
	L(socketpair)(AF_UNIX, type, 0, pair);
	L(write)(pair[0], "text", 4);
	return pair;
}

/* A socket that listens on the loopback, and one to reach it by. */
static int listening(void)
{
	int s = L(socket)(AF_INET, SOCK_STREAM, 0);
	inet.sin_addr.s_addr = 0x0100007f;
	L(bind)(s, (void *)&inet, sizeof inet);
	L(listen)(s, 1);
	L(getsockname)(s, (void *)&inet, &size);
	return s;
}

static int reached(void)
{
	int s = listening();
	L(connect)(L(socket)(AF_INET, SOCK_STREAM, 0), (void *)&inet, sizeof inet);
	return s;
}

static int epoll(int flags)
{
	int e = L(epoll_create1)(flags);
	fd = L(eventfd)(1, 0);
	event.events = EPOLLIN;
	L(epoll_ctl)(e, EPOLL_CTL_ADD, fd, &event);
	return e;
}

PROBE(socket, "AF_UNIX", , FD(L(socket)(AF_UNIX, SOCK_STREAM, 0)))
PROBE(socket, "AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC", , FD(L(socket)(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)))
PROBE(socket, "AF_INET", , FD(L(socket)(AF_INET, SOCK_STREAM, 0)))
PROBE(socket, "AF_INET, SOCK_DGRAM", , FD(L(socket)(AF_INET, SOCK_DGRAM, 0)))
PROBE(socket, "AF_INET6", , FD(L(socket)(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)))
PROBE(socket, "AF_NETLINK", , FD(L(socket)(AF_NETLINK, SOCK_RAW, 0)))
PROBE(socketpair, "", , NUMBER(L(socketpair)(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)))
PROBE(bind, "AF_UNIX", fd = L(socket)(AF_UNIX, SOCK_STREAM, 0), NUMBER(L(bind)(fd, (void *)&local, sizeof local)))
PROBE(bind, "AF_INET", fd = L(socket)(AF_INET, SOCK_STREAM, 0), NUMBER(L(bind)(fd, (void *)&inet, sizeof inet)))
PROBE(listen, "", fd = L(socket)(AF_INET, SOCK_STREAM, 0), NUMBER(L(listen)(fd, 1)))
PROBE(connect, "AF_INET", listening(); fd = L(socket)(AF_INET, SOCK_STREAM, 0),
      NUMBER(L(connect)(fd, (void *)&inet, sizeof inet)))
PROBE(connect, "nobody listens", fd = L(socket)(AF_UNIX, SOCK_STREAM, 0),
      NUMBER(L(connect)(fd, (void *)&local, sizeof local)))
PROBE(accept, "", fd = reached(), FD(L(accept)(fd, NULL, NULL)))
PROBE(accept4, "no flags", fd = reached(), FD(L(accept4)(fd, NULL, NULL, 0)))
PROBE(accept4, "SOCK_CLOEXEC", fd = reached(), FD(L(accept4)(fd, NULL, NULL, SOCK_CLOEXEC)))
PROBE(getsockname, "", joined(SOCK_STREAM), NUMBER(L(getsockname)(pair[0], (void *)buffer, &size)))
PROBE(getpeername, "", joined(SOCK_STREAM), NUMBER(L(getpeername)(pair[0], (void *)buffer, &size)))
PROBE(send, "", joined(SOCK_STREAM), NUMBER(L(send)(pair[0], "text", 4, MSG_NOSIGNAL)))
PROBE(sendto, "", joined(SOCK_STREAM), NUMBER(L(sendto)(pair[0], "text", 4, 0, NULL, 0)))
PROBE(sendmsg, "", joined(SOCK_STREAM), NUMBER(L(sendmsg)(pair[0], &message, 0)))
PROBE(sendmmsg, "", joined(SOCK_STREAM); several[0].msg_hdr = message, NUMBER(L(sendmmsg)(pair[0], several, 1, 0)))
PROBE(recv, "", joined(SOCK_STREAM), NUMBER(L(recv)(pair[1], buffer, 4, 0)))
PROBE(recv, "MSG_DONTWAIT", joined(SOCK_STREAM), NUMBER(L(recv)(pair[0], buffer, 4, MSG_DONTWAIT)))
PROBE(recvfrom, "", joined(SOCK_STREAM), NUMBER(L(recvfrom)(pair[1], buffer, 4, 0, NULL, NULL)))
PROBE(recvmsg, "", joined(SOCK_STREAM), NUMBER(L(recvmsg)(pair[1], &message, 0)))
PROBE(recvmmsg, "", joined(SOCK_STREAM); several[0].msg_hdr = message, NUMBER(L(recvmmsg)(pair[1], several, 1, 0, NULL)))
PROBE(__recv_chk, "", joined(SOCK_STREAM), NUMBER(N(ssize_t(int, void *, size_t, size_t, int), __recv_chk)(pair[1], buffer, 4, 8, 0)))
PROBE(shutdown, "", joined(SOCK_STREAM), NUMBER(L(shutdown)(pair[0], SHUT_RDWR)))
PROBE(setsockopt, "SO_REUSEADDR", fd = L(socket)(AF_INET, SOCK_STREAM, 0),
      NUMBER(L(setsockopt)(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)))
PROBE(setsockopt, "SO_RCVTIMEO", fd = L(socket)(AF_INET, SOCK_STREAM, 0),
      NUMBER(L(setsockopt)(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv)))
PROBE(setsockopt, "TCP_NODELAY", fd = L(socket)(AF_INET, SOCK_STREAM, 0),
      NUMBER(L(setsockopt)(fd, IPPROTO_TCP, 1, &on, sizeof on)))
PROBE(getsockopt, "SO_ERROR", joined(SOCK_STREAM); size = sizeof on,
      NUMBER(L(getsockopt)(pair[0], SOL_SOCKET, SO_ERROR, &on, &size)))
PROBE(sockatmark, "", fd = reached(); fd = L(accept)(fd, NULL, NULL), NUMBER(L(sockatmark)(fd)))
PROBE(isfdtype, "", joined(SOCK_STREAM), NUMBER(N(int(int, int), isfdtype)(pair[0], S_IFSOCK)))
PROBE(bindresvport, "", fd = L(socket)(AF_INET, SOCK_STREAM, 0), NUMBER(N(int(int, void *), bindresvport)(fd, NULL)))

/* Waiting for descriptors. */
PROBE(poll, "ready", joined(SOCK_STREAM); wanted.fd = pair[1]; wanted.events = POLLIN, NUMBER(L(poll)(&wanted, 1, 9)))
PROBE(poll, "in vain", , NUMBER(L(poll)(NULL, 0, 2)))
PROBE(ppoll, "ready", joined(SOCK_STREAM); wanted.fd = pair[1]; wanted.events = POLLIN,
      NUMBER(L(ppoll)(&wanted, 1, &ts, NULL)))
PROBE(select, "ready", joined(SOCK_STREAM); FD_ZERO(&set); FD_SET(pair[1], &set),
      NUMBER(L(select)(pair[1] + 1, &set, NULL, NULL, &tv)))
PROBE(select, "in vain", , NUMBER(L(select)(0, NULL, NULL, NULL, &tv)))
PROBE(pselect, "in vain", , NUMBER(L(pselect)(0, NULL, NULL, NULL, &ts, NULL)))
PROBE(epoll_create, "", , FD(L(epoll_create)(1)))
PROBE(epoll_create1, "EPOLL_CLOEXEC", , FD(L(epoll_create1)(EPOLL_CLOEXEC)))
PROBE(epoll_ctl, "EPOLL_CTL_ADD", int e = L(epoll_create1)(0); fd = L(eventfd)(1, 0),
      NUMBER(L(epoll_ctl)(e, EPOLL_CTL_ADD, fd, &event)))
PROBE(epoll_ctl, "EPOLL_CTL_DEL", int e = epoll(0), NUMBER(L(epoll_ctl)(e, EPOLL_CTL_DEL, fd, NULL)))
PROBE(epoll_wait, "", int e = epoll(0), NUMBER(L(epoll_wait)(e, &event, 1, 9)))
PROBE(epoll_pwait, "", int e = epoll(0), NUMBER(L(epoll_pwait)(e, &event, 1, 9, NULL)))
PROBE(epoll_pwait2, "", int e = epoll(0), NUMBER(N(int(int, void *, int, void *, void *), epoll_pwait2)(e, &event, 1, &ts, NULL)))
PROBE(eventfd, "no flags", , FD(L(eventfd)(0, 0)))
PROBE(eventfd, "EFD_CLOEXEC|EFD_NONBLOCK", , FD(L(eventfd)(0, EFD_CLOEXEC | EFD_NONBLOCK)))
PROBE(eventfd_write, "", fd = L(eventfd)(0, 0), NUMBER(L(eventfd_write)(fd, 1)))
PROBE(eventfd_read, "", fd = L(eventfd)(1, 0), NUMBER(L(eventfd_read)(fd, (eventfd_t *)buffer)))
PROBE(select, "interrupted", struct itimerval soon = { .it_value.tv_usec = 20000 }; ignore(SIGALRM);
      L(setitimer)(ITIMER_REAL, &soon, NULL), NUMBER(L(select)(0, NULL, NULL, NULL, NULL)))
