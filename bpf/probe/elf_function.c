// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "elf_function.h"

#include <elf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The largest section that is read, bytes: glibc's symbols take about 75 KiB, their names about 30 KiB. */
#define SECTION_BYTES_MAX (4U << 20)
/* More headers than any library has; glibc has about 70. */
#define HEADERS_MAX 4096

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#error "name the ELF machine"
#endif

/* A part of the file in memory of its own, or NULL. */
static void *read_part(int file, __u64 offset, __u64 size)
{
	char *part;
	size_t at = 0;

	if (!size || size > SECTION_BYTES_MAX || offset > INT64_MAX - size)
		return NULL;
	part = malloc(size);
	while (part && at < size) {
		ssize_t got = pread(file, part + at, size - at, (off_t)(offset + at));

		if (got <= 0) {
			free(part);
			return NULL;
		}
		at += (size_t)got;
	}
	return part;
}

static bool is_library(const Elf64_Ehdr *header)
{
	return !memcmp(header->e_ident, ELFMAG, SELFMAG) && header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == ELFDATA2LSB &&
	       header->e_machine == MACHINE && header->e_type == ET_DYN && header->e_shentsize == sizeof(Elf64_Shdr) &&
	       header->e_phentsize == sizeof(Elf64_Phdr) && header->e_shnum <= HEADERS_MAX && header->e_phnum <= HEADERS_MAX;
}

static bool name_is(const char *names, __u64 size, __u64 at, const char *name)
{
	size_t length = strlen(name) + 1;

	return at < size && size - at >= length && !memcmp(names + at, name, length);
}

/* The function's virtual address, or 0. */
static __u64 find_symbol(int file, const Elf64_Shdr *symbol_section, const Elf64_Shdr *name_section, const char *name)
{
	Elf64_Sym *symbols = read_part(file, symbol_section->sh_offset, symbol_section->sh_size);
	char *names = read_part(file, name_section->sh_offset, name_section->sh_size);
	__u64 address = 0;

	for (size_t i = 0; symbols && names && !address && i < symbol_section->sh_size / sizeof(*symbols); i++)
		if (ELF64_ST_TYPE(symbols[i].st_info) == STT_FUNC && symbols[i].st_shndx != SHN_UNDEF &&
		    name_is(names, name_section->sh_size, symbols[i].st_name, name))
			address = symbols[i].st_value;
	free(symbols);
	free(names);
	return address;
}

static __u64 find_exported(int file, const Elf64_Ehdr *header, const char *name)
{
	Elf64_Shdr *sections = read_part(file, header->e_shoff, header->e_shnum * sizeof(*sections));
	__u64 address = 0;

	for (size_t i = 0; sections && !address && i < header->e_shnum; i++)
		if (sections[i].sh_type == SHT_DYNSYM && sections[i].sh_link < header->e_shnum)
			address = find_symbol(file, &sections[i], &sections[sections[i].sh_link], name);
	free(sections);
	return address;
}

static __u64 offset_of_code(int file, const Elf64_Ehdr *header, __u64 address)
{
	Elf64_Phdr *segments = read_part(file, header->e_phoff, header->e_phnum * sizeof(*segments));
	__u64 offset = 0;

	for (size_t i = 0; segments && !offset && i < header->e_phnum; i++) {
		const Elf64_Phdr *segment = &segments[i];

		if (segment->p_type == PT_LOAD && segment->p_flags & PF_X && address >= segment->p_vaddr && address - segment->p_vaddr < segment->p_filesz)
			offset = segment->p_offset + (address - segment->p_vaddr);
	}
	free(segments);
	return offset;
}

__u64 elf_function_offset(int file, const char *name)
{
	Elf64_Ehdr *header = read_part(file, 0, sizeof(*header));
	__u64 offset = 0, address;

	if (header && is_library(header)) {
		address = find_exported(file, header, name);
		offset = address ? offset_of_code(file, header, address) : 0;
	}
	free(header);
	return offset;
}
