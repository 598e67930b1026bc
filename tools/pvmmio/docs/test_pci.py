# SPDX-License-Identifier: GPL-2.0-only
"""What the functions for guests that read the PCI capability promise, see pv-mmio-api.rst."""
import subprocess
import tempfile
import unittest
from pathlib import Path

from pvmmio import REPO

PROGRAM = r"""
#include <stdio.h>
#include <string.h>
#include <linux/kvm_pv_mmio_pci_parse.h>

/* A device with one memory BAR, a doorbell by all three ways, and an ISR. */
static void fill(__u8 *config)
{
	static const __u8 cap[] = { 9, 0, 28, 0x70, 'p', 'v', 'm', 'm', 1, 7, 0, 2,
				    4, 0, 0, 0, 0x10, 0xe0, 2, 1, 0x12, 0xe0,
				    0, 0xe0, 0, 16, 0, 0 };

	memset(config, 0, KVM_PCI_CONFIG_SIZE);
	config[6] = 0x10;
	config[0x34] = 0x40;
	memcpy(config + 0x40, cap, sizeof(cap));
}

/* How many bytes spoil it so that it's refused, and *bell is written all the same. */
static int written_on_error(void)
{
	struct kvm_pci_doorbell bell, before;
	__u8 config[KVM_PCI_CONFIG_SIZE];
	int at, value, refused = 0, wrong = 0;

	memset(&before, 0x5a, sizeof(before));
	for (at = 0; at < 0x40 + 28; at++) {
		for (value = 0; value < 256; value++) {
			fill(config);
			config[at] = value;
			bell = before;
			if (!kvm_pci_doorbell_find(config, &bell))
				continue;
			refused++;
			wrong += !!memcmp(&bell, &before, sizeof(bell));
		}
	}
	return refused < 1000 ? -1 : wrong;
}

int main(void)
{
	struct kvm_pci_doorbell_window window = { 0 }, empty;
	struct kvm_pci_doorbell bell, other;
	__u8 config[KVM_PCI_CONFIG_SIZE];

	fill(config);
	printf("found %d\n", kvm_pci_doorbell_find(config, &bell));
	printf("written %d\n", written_on_error());

	other = bell;
	other.port += 4;
	other.isr_port += 4;
	printf("claimed %d %d\n", kvm_pci_doorbell_claim(&window, &other),
	       kvm_pci_doorbell_claim(&window, &bell));
	printf("again %d\n", kvm_pci_doorbell_claim(&window, &bell) == KVM_PCI_DOORBELL_TAKEN);
	kvm_pci_doorbell_release(&window, &bell);
	printf("released %d\n", kvm_pci_doorbell_claim(&window, &bell));
	printf("others %d\n", kvm_pci_doorbell_claim(&window, &other) == KVM_PCI_DOORBELL_TAKEN);

	kvm_pci_doorbell_release(&window, &bell);
	kvm_pci_doorbell_release(&window, &other);
	empty = window;
	memset(empty.taken, 0, sizeof(empty.taken));
	printf("left %d\n", memcmp(&window, &empty, sizeof(empty)));

	/* Of a device without ports there is nothing to give back. */
	kvm_pci_doorbell_claim(&window, &bell);
	other = bell;
	other.ways = KVM_PCI_DOORBELL_STORE;
	kvm_pci_doorbell_release(&window, &other);
	printf("kept %d\n", kvm_pci_doorbell_claim(&window, &bell) == KVM_PCI_DOORBELL_TAKEN);
	return 0;
}
"""


class PciTest(unittest.TestCase):
    def test_functions(self):
        with tempfile.TemporaryDirectory() as tmp:
            program = Path(tmp) / "pci"
            subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined",
                            "-fno-sanitize-recover=all", "-I", REPO / "include/uapi", "-xc", "-",
                            "-o", program], input=PROGRAM, text=True, check=True)
            said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
        self.assertEqual(said.split(), "found 0 written 0 claimed 0 0 again 1 released 0 others 1"
                         " left 0 kept 1".split())


if __name__ == "__main__":
    unittest.main()
