/* Says whether libc of a 32-bit program gets an inet socket. */
#include <sys/socket.h>

int main(void) { return socket(AF_INET, SOCK_STREAM, 0) < 0; }
