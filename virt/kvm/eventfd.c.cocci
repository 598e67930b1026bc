// SPDX-License-Identifier: GPL-2.0-only
// Every ioeventfd carries its entry in the index.

// expect 1
@header@
position p;
@@
 #include <kvm/iodev.h>@p
+#include "ioeventfd_index.h"

// expect 1
@entry@
position p;
@@
 struct _ioeventfd@p {
 ...
+	struct kvm_ioeventfd_entry entry;
 };
