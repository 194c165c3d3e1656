"""What an ELF file says: its symbols and pointers, its code, and the system calls that the code makes.

Nothing here runs the file, nor asks the running kernel.
"""
