"""Chapter of the Library Reference that documents a module of the standard library.

Chapters that hold few docstrings are merged with their neighbours. Modules of every Python from
3.11 on stand here, also those that a later one dropped; a private module that implements a public
one goes with it. A module that is not named here is left out.
"""

from __future__ import annotations

CHAPTERS: dict[str, str] = {
    # Text Processing Services; Binary Data Services; Internationalization
    "text processing": """
        string re sre_compile sre_constants sre_parse difflib textwrap unicodedata stringprep
        readline rlcompleter codecs encodings struct gettext locale
    """,
    # Data Types; Functional Programming Modules
    "data types": """
        datetime _pydatetime zoneinfo calendar collections _collections_abc heapq bisect array
        weakref _weakrefset types copy pprint reprlib enum graphlib itertools functools operator
    """,
    # Numeric and Mathematical Modules
    "numeric": "numbers math cmath decimal _pydecimal fractions random statistics",
    # File and Directory Access; Generic Operating System Services; Unix-specific Services
    "files and system": """
        pathlib os posixpath ntpath genericpath stat filecmp tempfile glob fnmatch linecache shutil
        io _pyio time _strptime logging platform errno ctypes pty tty pipes
    """,
    # Data Persistence; Data Compression and Archiving; File Formats; Cryptographic Services;
    # Internet Data Handling; Structured Markup Processing Tools
    "persistence and parsing": """
        pickle copyreg _compat_pickle shelve dbm sqlite3 gzip bz2 lzma zipfile tarfile _compression
        compression csv configparser tomllib netrc plistlib xdrlib hashlib hmac secrets email json
        mailbox mailcap mimetypes base64 binascii quopri uu html xml _markupbase
    """,
    # Networking and Interprocess Communication; Internet Protocols and Support
    "networking": """
        asyncio socket ssl select selectors signal mmap asyncore asynchat webbrowser wsgiref urllib
        nturl2path http ftplib poplib imaplib smtplib smtpd nntplib telnetlib uuid socketserver
        xmlrpc ipaddress cgi cgitb
    """,
    # Concurrent Execution
    "concurrency": """
        threading _threading_local multiprocessing concurrent subprocess sched queue contextvars
    """,
    # Development Tools; Debugging and Profiling; Software Packaging and Distribution; Python
    # Runtime Services; Custom Python Interpreters; Importing Modules; Python Language Services
    "development tools": """
        typing pydoc doctest unittest bdb faulthandler pdb profile cProfile pstats profiling timeit
        trace tracemalloc distutils ensurepip venv zipapp sys sysconfig builtins warnings
        _py_warnings dataclasses contextlib abc _py_abc atexit traceback __future__ gc inspect
        annotationlib site _sitebuiltins code codeop zipimport pkgutil modulefinder runpy importlib
        imp ast _ast_unparse symtable token keyword tokenize tabnanny pyclbr py_compile compileall
        dis opcode _opcode_metadata pickletools
    """,
    # Graphical User Interfaces with Tk; Command-line Interface Libraries; Program Frameworks
    "user interface": "tkinter turtle cmd shlex argparse optparse getopt getpass curses fileinput",
}

CHAPTER_OF: dict[str, str] = {module: chapter for chapter, modules in CHAPTERS.items() for module in modules.split()}
