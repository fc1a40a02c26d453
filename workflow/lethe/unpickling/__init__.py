"""Reading pickles of others without running them.

A pickle is a program that may call any function by its name. Here a name is looked up in a closed table of our own
inert functions and classes, made anew for each file; nothing is imported, and arrays and tensors are made only after
the whole file was read, from plain descriptions that are checked first.
"""
