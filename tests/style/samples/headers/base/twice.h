struct twice {
	int x;
};
