#include "reconciler/kind.h"
