/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the BIOS boots from a disk: copies blocks by the BIOS's own drivers, which
 * ring in 16-bit or 32-bit code.  It does so for each line that comes by COM2, and
 * answers as init does.
 */
#define COM2		0x2f8
#define LINE_STATUS	5
#define RECEIVED	1
#define BUFFER		0x8000
/* In sectors: a block, and where the copy of the first one goes. */
#define BLOCK		8
#define BLOCKS		32
#define COPY		(BLOCK * BLOCKS)
#define BIOS_READ	0x42
#define BIOS_WRITE	0x43

	.code16
	.globl _start
_start:
	ljmp	$0, $flat
flat:
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %ss
	mov	%dl, disk
	mov	$good, %si
answer:
	mov	$_start, %sp
	mov	$COM2, %dx
1:	lodsb
	test	%al, %al
	jz	command
	outb	%al, %dx
	jmp	1b

/* Other programs are to have this CPU: look at each tick of the BIOS's clock. */
command:
	sti
	hlt
	mov	$COM2 + LINE_STATUS, %dx
	inb	%dx, %al
	test	$RECEIVED, %al
	jz	command
	mov	$COM2, %dx
	inb	%dx, %al
	cmp	$'\n', %al
	jne	command

	/* The first block is this program's. */
	movw	$BLOCK, sector
	mov	$BLOCKS, %cx
1:	mov	$BIOS_READ, %ah
	call	transfer
	addw	$COPY, sector
	mov	$BIOS_WRITE, %ah
	call	transfer
	subw	$COPY - BLOCK, sector
	loop	1b
	mov	$done, %si
	jmp	answer

transfer:
	push	%cx
	mov	disk, %dl
	mov	$packet, %si
	xor	%al, %al
	int	$0x13
	pop	%cx
	mov	$bad, %si
	jc	answer
	ret

disk:	.byte	0
/* The BIOS's disk address packet. */
packet:
	.byte	16, 0
	.word	BLOCK, BUFFER, 0
sector:
	.quad	0
done:	.ascii	"ops 64\n"
good:	.asciz	"END 0\n"
bad:	.asciz	"END 1\n"

	.org	510
	.word	0xaa55
