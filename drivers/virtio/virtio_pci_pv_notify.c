// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the virtio-pci of a stock kernel ring with PV stores: a livepatch of
 * its notify functions, and nothing else.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/kvm_pv_mmio_guest.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/virtio.h>
#include <linux/virtio_ring.h>
#include <asm/ftrace.h>
#include <asm/ibt.h>
#include <asm/kvm_para.h>
#include <asm/processor.h>

static bool without_cpuid;
module_param(without_cpuid, bool, 0444);
MODULE_PARM_DESC(without_cpuid, "Ring with PV stores even if CPUID doesn't offer them");

/* Below this, lib/iomap.c takes an address for a port. */
#define FIRST_MEMORY_COOKIE	0x40000UL

static bool rings_through_memory(struct virtqueue *vq)
{
	return (unsigned long)vq->priv >= FIRST_MEMORY_COOKIE;
}

#if IS_ENABLED(CONFIG_LIVEPATCH)

/* Stands in for vp_notify(). */
static bool pv_notify(struct virtqueue *vq)
{
	void __iomem *bell = (void __iomem *)vq->priv;

	if (rings_through_memory(vq))
		kvm_pv_mmio_write16(vq->index, bell);
	else
		iowrite16(vq->index, bell);
	return true;
}

/* Stands in for vp_notify_with_data(). */
static bool pv_notify_with_data(struct virtqueue *vq)
{
	void __iomem *bell = (void __iomem *)vq->priv;
	u32 data = vring_notification_data(vq);

	if (rings_through_memory(vq))
		kvm_pv_mmio_write32(data, bell);
	else
		iowrite32(data, bell);
	return true;
}

/* A run of code as it has to be, up to a call of @callee if there is one. */
struct code_part {
	u8 len;
	u8 bytes[12];
	void *callee;
};

#define CODE(_callee, ...) {						\
	.len = sizeof((u8[]){ __VA_ARGS__ }),				\
	.bytes = { __VA_ARGS__ },					\
	.callee = _callee,						\
}

#define CALL	0xe8
#define INDEX	offsetof(struct virtqueue, index)
#define PRIV	offsetof(struct virtqueue, priv)

/*
 * What the replaced functions do, as gcc 12 puts it: all of it but how they
 * begin and return, which the kernel patches to fit the CPU.
 */
static const struct code_part notify_code[] = {
	/* mov PRIV(%rdi),%rsi; movzwl INDEX(%rdi),%edi */
	CODE(iowrite16, 0x48, 0x8b, 0x77, PRIV, 0x0f, 0xb7, 0x7f, INDEX, CALL),
	/* mov $1,%eax */
	CODE(NULL, 0xb8, 1, 0, 0, 0),
	{ }
};

static const struct code_part notify_with_data_code[] = {
	/* push %rbx; mov %rdi,%rbx */
	CODE(vring_notification_data, 0x53, 0x48, 0x89, 0xfb, CALL),
	/* mov PRIV(%rbx),%rsi; mov %eax,%edi */
	CODE(iowrite32, 0x48, 0x8b, 0x73, PRIV, 0x89, 0xc7, CALL),
	/* mov $1,%eax; pop %rbx */
	CODE(NULL, 0xb8, 1, 0, 0, 0, 0x5b),
	{ }
};

static struct klp_func funcs[] = {
	{ .old_name = "vp_notify", .new_func = pv_notify },
	{ .old_name = "vp_notify_with_data", .new_func = pv_notify_with_data },
	{ }
};

static const struct code_part *const known_code[] = {
	notify_code,
	notify_with_data_code,
};

static bool is_known(const struct klp_func *func, const struct code_part *part)
{
	const u8 *code = func->old_func + ENDBR_INSN_SIZE + MCOUNT_INSN_SIZE;
	const u8 *end = func->old_func + func->old_size;

	for (; part->len; part++) {
		if (end - code < part->len + (int)sizeof(s32) ||
		    memcmp(code, part->bytes, part->len))
			return false;

		code += part->len;
		if (!part->callee)
			continue;

		code += sizeof(s32);
		if (code + *(s32 *)(code - sizeof(s32)) != part->callee)
			return false;
	}
	return true;
}

/* Called once the functions are found and before any is replaced. */
static int check_code(struct klp_object *obj)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(known_code); i++) {
		if (is_known(&funcs[i], known_code[i]))
			continue;

		pr_err("refused: this kernel's %s() isn't the one that was checked; use a build of this module made for it, or take probes off it\n",
		       funcs[i].old_name);
		return -EOPNOTSUPP;
	}
	return 0;
}

static struct klp_object objs[] = {
	{
		.name = IS_MODULE(CONFIG_VIRTIO_PCI) ? "virtio_pci" : NULL,
		.funcs = funcs,
		.callbacks.pre_patch = check_code,
	},
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int replace_notify(void)
{
	int ret = klp_enable_patch(&patch);

	if (ret && ret != -EOPNOTSUPP)
		pr_err("refused: livepatch can't replace vp_notify(), error %d; set the sysctl kernel.ftrace_enabled to 1\n",
		       ret);
	return ret;
}

#else /* !CONFIG_LIVEPATCH */

static int replace_notify(void)
{
	pr_err("refused: this kernel has no livepatch; use one with CONFIG_LIVEPATCH\n");
	return -EOPNOTSUPP;
}

#endif /* CONFIG_LIVEPATCH */

static bool offered_by_cpuid(void)
{
	u32 base = hypervisor_cpuid_base(KVM_SIGNATURE, 0);

	return base && cpuid_eax(base) >= (base | KVM_CPUID_FEATURES) &&
	       cpuid_eax(base | KVM_CPUID_FEATURES) & BIT(KVM_FEATURE_PV_MMIO);
}

static int is_virtio(struct device *dev, void *unused)
{
	return dev->bus && !strcmp(dev->bus->name, "virtio");
}

static bool device_rings_through_memory(struct pci_dev *pdev)
{
	struct device *dev = device_find_child(&pdev->dev, NULL, is_virtio);
	struct virtio_device *vdev;
	struct virtqueue *vq;
	bool found = false;

	if (!dev)
		return false;

	vdev = dev_to_virtio(dev);
	spin_lock(&vdev->vqs_list_lock);
	list_for_each_entry(vq, &vdev->vqs, list)
		found |= rings_through_memory(vq);
	spin_unlock(&vdev->vqs_list_lock);
	put_device(dev);
	return found;
}

/* Without any, replacing the functions would gain nothing. */
static bool any_rings_through_memory(void)
{
	struct pci_dev *pdev = NULL;
	bool found = false;

	while ((pdev = pci_get_device(PCI_VENDOR_ID_REDHAT_QUMRANET, PCI_ANY_ID,
				      pdev)))
		found |= device_rings_through_memory(pdev);
	return found;
}

static int __init pv_notify_init(void)
{
	if (!without_cpuid && !offered_by_cpuid()) {
		pr_err("refused: CPUID offers no PV stores; load with without_cpuid=1 to use them all the same\n");
		return -ENODEV;
	}
	if (!any_rings_through_memory()) {
		pr_err("refused: no virtio-pci device here has a notify region in memory; use the driver as it is\n");
		return -ENODEV;
	}
	return replace_notify();
}

/* Livepatch holds the module until the functions are back and left by all. */
static void __exit pv_notify_exit(void)
{
}

module_init(pv_notify_init);
module_exit(pv_notify_exit);
MODULE_DESCRIPTION("virtio-pci doorbells by PV store, for stock kernels");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
