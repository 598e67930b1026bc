/* SPDX-License-Identifier: GPL-2.0-only */
/* Shown in Documentation/virt/kvm/x86/pv-mmio-guest.rst. */
	.globl	pv_store4_asm
pv_store4_asm:
	movabs	$0xcea65ca87fcbe464, %rcx	/* the signature, and 4 bytes */
	mov	%rdi, %rdx			/* where */
	mov	%esi, %eax			/* what */
	xor	%rdx, %rcx
	mov	%eax, (%rdx)			/* 89 02 */
	xor	%ecx, %ecx
	ret
