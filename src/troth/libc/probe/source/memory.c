/* Memory: allocation, mappings, advice. */
#include "probe.h"
#include <malloc.h>
#include <sys/mman.h>

#define PAGES 16384

static void *p;

static void *mapped(void)
{
	return p = L(mmap)(NULL, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Allocation; most programs have allocated something before. */
PROBE(malloc, "small", , POINTER(L(malloc)(100)))
PROBE(malloc, "large", , POINTER(L(malloc)(1 << 20)))
FIRST(malloc, "first", , POINTER(L(malloc)(100)))
FIRST(malloc, "a thousand times", , ({
	for (int i = 0; i < 1000; i++)
		p = L(malloc)(1000);
	POINTER(p);
}))
PROBE(calloc, "large", , POINTER(L(calloc)(1 << 10, 1 << 10)))
FIRST(calloc, "first", , POINTER(L(calloc)(10, 10)))
PROBE(realloc, "small", p = L(malloc)(100), POINTER(L(realloc)(p, 200)))
PROBE(realloc, "large", p = L(malloc)(1 << 20), POINTER(L(realloc)(p, 1 << 21)))
PROBE(free, "small", p = L(malloc)(100), DONE((L(free)(p), 0)))
PROBE(free, "large", p = L(malloc)(1 << 20), DONE((L(free)(p), 0)))
PROBE(posix_memalign, "large", , ERROR(L(posix_memalign)(&p, 4096, 1 << 20)))
PROBE(aligned_alloc, "large", , POINTER(L(aligned_alloc)(4096, 1 << 20)))
PROBE(memalign, "large", , POINTER(L(memalign)(4096, 1 << 20)))
PROBE(valloc, "large", , POINTER(L(valloc)(1 << 20)))
#ifdef __GLIBC__
PROBE(malloc_trim, "", , VALUE(L(malloc_trim)(0) >= 0))
PROBE(mallopt, "", , VALUE(L(mallopt)(M_ARENA_MAX, 1)))
PROBE(malloc_stats, "", , DONE((L(malloc_stats)(), 0)))
#endif

/* Mappings. */
PROBE(mmap, "MAP_PRIVATE|MAP_ANONYMOUS", , POINTER(L(mmap)(NULL, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)))
PROBE(mmap, "MAP_SHARED", int fd = file("f"), POINTER(L(mmap)(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)))
PROBE(mmap, "PROT_EXEC", , POINTER(L(mmap)(NULL, PAGES, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)))
PROBE(munmap, "", mapped(), NUMBER(L(munmap)(p, PAGES)))
PROBE(mprotect, "PROT_READ", mapped(), NUMBER(L(mprotect)(p, PAGES, PROT_READ)))
PROBE(mprotect, "PROT_READ|PROT_EXEC", mapped(), NUMBER(L(mprotect)(p, PAGES, PROT_READ | PROT_EXEC)))
PROBE(mremap, "MREMAP_MAYMOVE", mapped(), POINTER(L(mremap)(p, PAGES, 2 * PAGES, MREMAP_MAYMOVE)))
PROBE(msync, "MS_SYNC", mapped(), NUMBER(L(msync)(p, PAGES, MS_SYNC)))
PROBE(madvise, "MADV_DONTNEED", mapped(), NUMBER(L(madvise)(p, PAGES, MADV_DONTNEED)))
PROBE(madvise, "MADV_FREE", mapped(), NUMBER(L(madvise)(p, PAGES, 8)))
PROBE(posix_madvise, "POSIX_MADV_WILLNEED", mapped(), ERROR(L(posix_madvise)(p, PAGES, POSIX_MADV_WILLNEED)))
PROBE(posix_madvise, "POSIX_MADV_DONTNEED", mapped(), ERROR(L(posix_madvise)(p, PAGES, POSIX_MADV_DONTNEED)))
PROBE(mincore, "", mapped(), NUMBER(L(mincore)(p, PAGES, (void *)buffer)))
PROBE(mlock, "", mapped(), NUMBER(L(mlock)(p, 4096)))
PROBE(mlock2, "MLOCK_ONFAULT", mapped(), NUMBER(N(int(void *, size_t, unsigned), mlock2)(p, 4096, 1)))
PROBE(mlock2, "no flags", mapped(), NUMBER(N(int(void *, size_t, unsigned), mlock2)(p, 4096, 0)))
PROBE(munlock, "", mapped(), NUMBER(L(munlock)(p, 4096)))
PROBE(munlockall, "", , NUMBER(L(munlockall)()))
PROBE(remap_file_pages, "", int fd = file("f"); p = L(mmap)(NULL, PAGES, PROT_READ, MAP_SHARED, fd, 0),
      NUMBER(L(remap_file_pages)(p, 4096, 0, 0, 0)))
PROBE(brk, "", p = L(sbrk)(0), NUMBER(L(brk)(p)))
PROBE(sbrk, "nothing", , POINTER(L(sbrk)(0)))
PROBE(sbrk, "a page", , POINTER(L(sbrk)(4096)))
PROBE(pkey_alloc, "", , NUMBER(N(int(unsigned, unsigned), pkey_alloc)(0, 0) >= 0))
PROBE(pkey_mprotect, "no key", mapped(), NUMBER(N(int(void *, size_t, int, int), pkey_mprotect)(p, PAGES, PROT_READ, -1)))
PROBE(process_madvise, "", , NUMBER(N(ssize_t(int, void *, size_t, int, unsigned), process_madvise)(-1, NULL, 0, 0, 0)))
#ifdef __GLIBC__
PROBE(mmap64, "MAP_PRIVATE|MAP_ANONYMOUS", ,
      POINTER(L(mmap64)(NULL, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)))
#endif
