"""Which system calls the functions of a libc can make, by reading its code.

* `build`: makes the `graph` of a libc's files: what each function calls and where it leads;
* `closure`: what can be reached, by class (`reached`), and by which way;
* `analyse`: from files to facts; `facts`: facts as text, and those that are at hand; `store`: those of any libc;
* `compare`: what changed between two libcs; `program`: what a program imports and calls;
* `_table`: what is known of libcs by name: which functions fail, which parts all others lean on.
"""
