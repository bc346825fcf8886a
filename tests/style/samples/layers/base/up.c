#include "watch/revision.h"
