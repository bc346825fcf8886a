#pragma once
#include "base/ok.h"
#include "watch/revision.h"
