"""What is known of C libraries by name: which functions never return, which end a program, and who shares what.

A libc's parts lean on few others: nearly everything allocates, and what allocates can abort. To say of each function
that it can do all that would drown what is its own. So the parts that others lean on are *groups*: a function that
comes into one has the group's name instead of its calls. A group is known by the names that lead into it, with `*`
for any letters, and by the strings that its inner parts use (`*`: by their end), since those have no names in a
stripped file.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


def names(text: str) -> frozenset[str]:
    """Names that stand in a string, separated by spaces."""
    return frozenset(text.split())


def group(
    name: str, meaning: str, ways: str, strings: tuple[str, ...] = ()
) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    """A part that others lean on: what it is, the names that lead into it, the strings that it uses."""
    return (name, meaning, tuple(ways.split()), strings)


# By these a program dies of a fault that it found in itself; who only calls these fails.
FAILURE: Final = names(
    "abort __stack_chk_fail __stack_chk_fail_local __assert_fail __assert_perror_fail __assert __chk_fail "
    "__fortify_fail __libc_fatal __libc_assert_fail __longjmp_chk __cxa_throw __cxa_rethrow _Unwind_Resume "
    "_dl_fatal_printf"
)

# What those say that have no name; who uses one of these strings and does not return is one of them.
FAILURE_STRINGS: Final = ("Inconsistency detected by ld.so*", "*** %s ***: *", "*: Assertion `*", "Fatal glibc error: *")

# These end a thread because another asked for it.
CANCEL: Final = names("pthread_exit __pthread_exit thrd_exit __pthread_unwind __pthread_unwind_next")

# What glibc before 2.34 calls to end a cancelled thread where libpthread is not there; it has no name.
ENDS_CANCELLED: Final = names("getpid kill")

# Ends that are no failures. `__libc_start_main` and execve are called like functions that return, and rarely do.
_ENDS: Final = names("exit _exit _Exit quick_exit longjmp _longjmp siglongjmp err errx verr verrx") | CANCEL
ORDERLY: Final = _ENDS | names("__libc_start_main execve fexecve")

# Functions that do not return: what follows a call of one is not run.
NEVER_RETURN: Final = FAILURE | _ENDS | names("__libc_longjmp __libc_siglongjmp _dl_signal_error _dl_signal_exception")

# Calls by which a process or thread is made: who passes a function along says where that starts.
MAKING: Final = names("clone clone3 vfork fork")

# Functions of libc that pass one along; other files import them.
MAKERS: Final = names("clone __clone __clone2")

# Only a memory debugger calls it, to see whether all memory was given back; it leads to every part of libc.
NEVER_CALLED: Final = names("__libc_freeres")

# Ways that no code shows: libpthread was a file of its own before 2.34, and gave libc its functions when it started.
HANDED_OVER: Final = (
    ("setuid seteuid setreuid setresuid setgid setegid setregid setresgid setgroups", "__nptl_setxid"),
    ("fork", "__nptl_set_robust"),
)  # fmt: skip

# What runs before `main` besides the files' entry points and initialisers: musl's loader finds its own parts by name.
STARTING: Final = ("__libc_start_main", "__libc_early_init", "__dls2", "__dls2b", "__dls3")

# What a function that waits for a lock calls: any function may, and each build inlines it elsewhere. It counts as the
# own call of those whose purpose it is.
LOCKS: Final = names("futex futex_time64")
LOCKING: Final = (
    "pthread_*", "__pthread_*", "sem_*", "mtx_*", "cnd_*", "thrd_*", "call_once", "syscall", "__lll_*", "__lock*",
    "__wait*", "__futex*",
)  # fmt: skip

GROUPS: Final = (
    group("malloc", "Allocate memory.",
          "malloc calloc realloc free memalign aligned_alloc posix_memalign valloc pvalloc reallocarray __libc_malloc "
          "__libc_calloc __libc_realloc __libc_free __libc_memalign __libc_valloc __libc_pvalloc __libc_reallocarray "
          "malloc_trim malloc_usable_size mallopt mallinfo mallinfo2 malloc_info malloc_stats malloc_get_state "
          "malloc_set_state __malloc_* __default_morecore __libc_alloc_buffer_* __libc_dynarray_* __libc_scratch_buffer_*"),
    group("stdio", "Buffered files.",
          "_IO_* __IO_* fopen fopen64 fdopen freopen freopen64 fclose fflush fflush_unlocked fread fread_unlocked fwrite "
          "fwrite_unlocked fgets* fputs* fgetc* fputc* getc getc_* putc putc_* getchar* putchar* puts gets ungetc fseek* "
          "ftell* rewind fgetpos* fsetpos* setvbuf setbuf setbuffer setlinebuf popen pclose tmpfile tmpfile64 fmemopen "
          "open_memstream fopencookie *printf *printf_chk *scanf perror psignal psiginfo getline getdelim __getdelim getw putw "
          "fgetw* fputw* getwc* putwc* ungetwc fwide clearerr* feof* ferror* fileno* __overflow __underflow __uflow "
          "__woverflow __wunderflow __wuflow __fbufsize __fpurge fpurge __flbf __fpending __freadable __fwritable "
          "_flushlbf flockfile funlockfile ftrylockfile __fsetlocking fcloseall open_wmemstream __f*_unlocked __getc "
          "__stdio_* __vfprintf_internal __vfwprintf_internal __isoc99_*scanf __isoc23_*scanf __towrite* __toread* "
          "__fseek* __ftell* __freadahead* __freadptr* __fdopen getwchar* putwchar* fgetln"),
    group("loader", "Load shared objects.",
          "dlopen dlmopen dlsym dlvsym dlclose dladdr dladdr1 dlinfo dlerror __libc_dlopen_mode __libc_dlsym __libc_dlclose "
          "__libc_dlvsym _dl_open _dl_close _dl_catch_error _dl_catch_exception _dl_signal_* __dlopen __dlsym _dl_sym _dl_vsym "
          "_dl_map_object* dl_iterate_phdr _dl_allocate_tls _dl_allocate_tls_init _dl_deallocate_tls __tls_get_addr _dl_find_object"),
    group("conversion", "Convert between character sets.",
          "iconv iconv_open iconv_close __gconv* __iconv*", ("*/gconv-modules.cache", "*gconv-modules", "*/gconv", "gconv_init")),
    group("locale", "Load locales.",
          "setlocale newlocale __newlocale duplocale __duplocale freelocale __freelocale uselocale __uselocale",
          ("/usr/lib/locale/locale-archive", "/usr/lib/locale")),
    group("messages", "Translate messages.",
          "gettext dgettext dcgettext ngettext dngettext dcngettext __dcgettext __dgettext textdomain bindtextdomain "
          "bind_textdomain_codeset __dcngettext __dngettext", ("LANGUAGE",)),
    group("timezone", "Read the time zone.",
          "tzset __tzset tzname localtime localtime_r mktime timelocal strftime strftime_l wcsftime wcsftime_l ctime ctime_r "
          "asctime asctime_r __localtime64* __mktime64 __ctime64* localtime64* mktime64 ctime64* __tz_convert __offtime",
          ("TZDIR", "/etc/localtime")),
    group("name-service", "Look names up through configurable modules.", "__nss_* nss_* _nss_*",
          ("/etc/nsswitch.conf",)),
    group("resolver", "Ask a name server.", "res_* __res_* ns_* __ns_*", ("/etc/resolv.conf",)),
    group("locks", "Wait for other threads.",
          "pthread_mutex_* __pthread_mutex_* pthread_rwlock_* __pthread_rwlock_* pthread_cond_* __pthread_cond_* "
          "pthread_once __pthread_once __lll_* pthread_barrier_* sem_*"),
    group("thread-start", "Start a thread.", "pthread_create __pthread_create thrd_create"),
)  # fmt: skip


def is_locking(name: str) -> bool:
    """Whether waiting for a lock is a function's own purpose."""
    import fnmatch

    return any(fnmatch.fnmatchcase(name, one) for one in LOCKING)
