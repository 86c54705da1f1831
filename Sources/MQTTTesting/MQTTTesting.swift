// The in-process broker and the stubs for users' tests live here.
