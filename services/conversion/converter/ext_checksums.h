// Parts of an ext file system that depend on an inode's generation, and its journal.
#pragma once

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

namespace godwit::convert {

// After the generation of `inode` was changed: writes the checksums of its folder and extent blocks
// anew. 0, or an error of libext2fs.
errcode_t RenewChecksums(ext2_filsys fs, ext2_ino_t inode);

// Fills the journal with zeros, but for its own superblock, whose count begins again. Nothing when
// there is none inside of the file system.
errcode_t EmptyJournal(ext2_filsys fs);

}  // namespace godwit::convert
