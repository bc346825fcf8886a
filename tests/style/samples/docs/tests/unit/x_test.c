Test(suite, case)
{
}
