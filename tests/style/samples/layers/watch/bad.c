#include "base/inner_priv.h"
#include "revision.h"
#include "base/missing.h"
#include "base/unlisted.h"
/* #include "api/in_a_comment.h" is still read: say it another way */
