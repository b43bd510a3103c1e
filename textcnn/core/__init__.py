"""The compiled core: tokenizers, look-up tables, explanations and the training operator, in C++ behind one C interface.

`textcnn.h` has the interface, `library.py` the binding, `build.py` the build. Imports numpy and nothing else.
"""
