/* Between processes: System V's and POSIX's shared memory, semaphores and queues; asynchronous input and output. */
#include "probe.h"
#include <aio.h>
#include <mqueue.h>
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

static int id;
static struct shmid_ds shared;
static struct msqid_ds queued;
static struct { long type; char text[8]; } note = { 1, "text" };
static struct sembuf up = { 0, 1, IPC_NOWAIT };
static struct timespec ts = { 1, 0 };
static void *p;
static mqd_t queue;
static struct mq_attr attributes = { .mq_maxmsg = 2, .mq_msgsize = 64 };
static sem_t *semaphore;
static struct aiocb request;
static struct aiocb *requests[] = { &request };

static void notified(union sigval value)
{
	(void)value;
}

static mqd_t opened(void)
{
	queue = L(mq_open)(UNIQUE("/q"), O_RDWR | O_CREAT, 0600, &attributes);
	L(mq_unlink)(UNIQUE("/q"));
	L(mq_send)(queue, "text", 4, 1);
	return queue;
}

static sem_t *created(void)
{
	return semaphore = L(sem_open)(UNIQUE("/s"), O_CREAT, 0600, 1);
}

static struct aiocb *asked(void)
{
	request.aio_fildes = file("f");
	request.aio_buf = buffer;
	request.aio_nbytes = 4;
	return &request;
}

/* System V. What is made is marked to go at once, where that does not change what is seen. */
PROBE(ftok, "", file("f"), FD(L(ftok)("f", 1)))
PROBE(shmget, "", , FD(L(shmget)(IPC_PRIVATE, 4096, IPC_CREAT | 0600)))
PROBE(shmat, "", id = L(shmget)(IPC_PRIVATE, 4096, 0600), POINTER(L(shmat)(id, NULL, 0)))
PROBE(shmdt, "", id = L(shmget)(IPC_PRIVATE, 4096, 0600); p = L(shmat)(id, NULL, 0); L(shmctl)(id, IPC_RMID, NULL),
      NUMBER(L(shmdt)(p)))
PROBE(shmctl, "IPC_STAT", id = L(shmget)(IPC_PRIVATE, 4096, 0600), NUMBER(L(shmctl)(id, IPC_STAT, &shared)))
PROBE(shmctl, "IPC_RMID", id = L(shmget)(IPC_PRIVATE, 4096, 0600), NUMBER(L(shmctl)(id, IPC_RMID, NULL)))
PROBE(semget, "", , FD(L(semget)(IPC_PRIVATE, 1, IPC_CREAT | 0600)))
PROBE(semop, "", id = L(semget)(IPC_PRIVATE, 1, 0600), NUMBER(L(semop)(id, &up, 1)))
PROBE(semtimedop, "", id = L(semget)(IPC_PRIVATE, 1, 0600), NUMBER(L(semtimedop)(id, &up, 1, &ts)))
PROBE(semctl, "SETVAL", id = L(semget)(IPC_PRIVATE, 1, 0600), NUMBER(L(semctl)(id, 0, SETVAL, 1)))
PROBE(semctl, "GETVAL", id = L(semget)(IPC_PRIVATE, 1, 0600), NUMBER(L(semctl)(id, 0, GETVAL)))
PROBE(semctl, "IPC_RMID", id = L(semget)(IPC_PRIVATE, 1, 0600), NUMBER(L(semctl)(id, 0, IPC_RMID)))
PROBE(msgget, "", , FD(L(msgget)(IPC_PRIVATE, IPC_CREAT | 0600)))
PROBE(msgsnd, "", id = L(msgget)(IPC_PRIVATE, 0600), NUMBER(L(msgsnd)(id, &note, 4, IPC_NOWAIT)))
PROBE(msgrcv, "", id = L(msgget)(IPC_PRIVATE, 0600); L(msgsnd)(id, &note, 4, 0), NUMBER(L(msgrcv)(id, &note, 8, 0, 0)))
PROBE(msgctl, "IPC_STAT", id = L(msgget)(IPC_PRIVATE, 0600), NUMBER(L(msgctl)(id, IPC_STAT, &queued)))
PROBE(msgctl, "IPC_RMID", id = L(msgget)(IPC_PRIVATE, 0600), NUMBER(L(msgctl)(id, IPC_RMID, NULL)))

/* POSIX. */
PROBE(shm_open, "", , ({ int fd = L(shm_open)(UNIQUE("/m"), O_RDWR | O_CREAT, 0600); FD(fd); }))
PROBE(shm_unlink, "", L(shm_open)(UNIQUE("/m"), O_RDWR | O_CREAT, 0600), NUMBER(L(shm_unlink)(UNIQUE("/m"))))
PROBE(sem_open, "O_CREAT", , POINTER(L(sem_open)(UNIQUE("/s"), O_CREAT, 0600, 1)))
PROBE(sem_open, "there", created(); L(sem_close)(semaphore), POINTER(L(sem_open)(UNIQUE("/s"), 0)))
PROBE(sem_close, "", created(), NUMBER(L(sem_close)(semaphore)))
PROBE(sem_unlink, "", created(), NUMBER(L(sem_unlink)(UNIQUE("/s"))))
PROBE(mq_open, "O_CREAT", , ({
	queue = L(mq_open)(UNIQUE("/q"), O_RDWR | O_CREAT, 0600, &attributes);
	FD(queue);
}))
PROBE(mq_unlink, "", L(mq_open)(UNIQUE("/q"), O_RDWR | O_CREAT, 0600, &attributes), NUMBER(L(mq_unlink)(UNIQUE("/q"))))
PROBE(mq_close, "", opened(), NUMBER(L(mq_close)(queue)))
PROBE(mq_send, "", opened(), NUMBER(L(mq_send)(queue, "text", 4, 1)))
PROBE(mq_timedsend, "", opened(), NUMBER(L(mq_timedsend)(queue, "text", 4, 1, &ts)))
PROBE(mq_receive, "", opened(), NUMBER(L(mq_receive)(queue, buffer, 64, NULL)))
PROBE(mq_timedreceive, "", opened(), NUMBER(L(mq_timedreceive)(queue, buffer, 64, NULL, &ts)))
PROBE(mq_getattr, "", opened(), NUMBER(L(mq_getattr)(queue, &attributes)))
PROBE(mq_setattr, "", opened(), NUMBER(L(mq_setattr)(queue, &attributes, NULL)))
PROBE(mq_notify, "SIGEV_SIGNAL", opened(); struct sigevent e = { .sigev_notify = SIGEV_SIGNAL }; e.sigev_signo = SIGUSR1,
      NUMBER(L(mq_notify)(queue, &e)))
PROBE(mq_notify, "SIGEV_THREAD", opened(); struct sigevent e = { .sigev_notify = SIGEV_THREAD };
      e.sigev_notify_function = notified, NUMBER(L(mq_notify)(queue, &e)))

/* Asynchronous input and output; glibc and musl do it by threads. */
PROBE(aio_read, "", asked(), NUMBER(L(aio_read)(&request)))
PROBE(aio_write, "", asked(), NUMBER(L(aio_write)(&request)))
PROBE(aio_fsync, "", asked(), NUMBER(L(aio_fsync)(O_SYNC, &request)))
PROBE(aio_error, "", asked(); L(aio_read)(&request); pause_ms(20), VALUE(L(aio_error)(&request)))
PROBE(aio_return, "", asked(); L(aio_read)(&request); pause_ms(20), NUMBER(L(aio_return)(&request)))
PROBE(aio_suspend, "done", asked(); L(aio_read)(&request); pause_ms(20),
      NUMBER(L(aio_suspend)((const struct aiocb *const *)requests, 1, NULL)))
PROBE(aio_cancel, "done", asked(); L(aio_read)(&request); pause_ms(20), VALUE(L(aio_cancel)(request.aio_fildes, &request)))
PROBE(lio_listio, "LIO_WAIT", asked(); request.aio_lio_opcode = LIO_READ, NUMBER(L(lio_listio)(LIO_WAIT, requests, 1, NULL)))
