"""The atlas of C libraries: which function makes which system call, in which build, and what it does when refused."""
