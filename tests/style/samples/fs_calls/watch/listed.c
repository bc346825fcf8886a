int g(void)
{
	return rename("a", "b");
}
