"""The survival experiment: which filters outlive the upgrades of a C library, and which calls the others die of.

    python bench/run.py survival              run it, and print the table
    python bench/run.py survival --write      run it, into outcomes.json, survival.svg and bench/RESULTS.md
    python bench/run.py survival --redraw     table and chart again, from outcomes.json

Programs of the matrix of C libraries get a filter by each of several methods on the oldest C library, and are run under
each later one behind that filter.

- `methods` has the ways to make a filter, `data` the lists that two of them use (`profiles` gets these);
- `watch` tells which calls a program makes, and which of them a filter refuses;
- `experiment` runs programs, `outcomes` keeps what came of them, `report` and `chart` show it.
"""
