/* strcpy( in a comment is fine */
int f(char *a, const char *b)
{
	const char *s = "strcpy(in a string)";
	strcpy(a, b);
	/* TODO: think */
	/* DECIDE(0099): no such record */
	return atoi(s) + !malloc(1) + time(NULL);
}
