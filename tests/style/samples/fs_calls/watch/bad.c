int f(const char *path)
{
	ops->open(path);
	fs_open(path);
	return openat(AT_FDCWD, path, 0) + rename(path, path);
}
