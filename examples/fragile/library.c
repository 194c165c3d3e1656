/* Something to dlopen(3) under any libc: it needs none. */
int nothing_is_needed;
