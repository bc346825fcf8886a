int long_one(int x)
{
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	x++;
	return x;
}

int deep(int x)
{
	if (x) {
		for (;;) {
			while (x) {
				if (x > 1) {
					if (x > 2)
						return 1;
				}
			}
		}
	}
	return 0;
}

int many(int a, int b, int c, int d, int e, int f, int (*g)(int, int), int h)
{
	return a;
}

int tangled(int a, int b)
{
	if (a == 0 && b) {
		if (b == 0 || a)
			return 0;
	}
	if (a == 1 && b) {
		if (b == 1 || a)
			return 1;
	}
	if (a == 2 && b) {
		if (b == 2 || a)
			return 2;
	}
	if (a == 3 && b) {
		if (b == 3 || a)
			return 3;
	}
	if (a == 4 && b) {
		if (b == 4 || a)
			return 4;
	}
	if (a == 5 && b) {
		if (b == 5 || a)
			return 5;
	}
	return 0;
}
