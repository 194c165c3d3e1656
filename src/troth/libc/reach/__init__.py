"""Which system calls the functions of a libc can make, by reading its code.

* `graph`: the functions of a libc's files, what each calls and where it leads;
* `closure`: what can be reached, by class, and by which way;
* `_table`: what is known of libcs by name: which functions fail, which parts all others lean on.
"""
