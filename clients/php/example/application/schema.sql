-- The application's tables. A protected column holds an envelope: n bytes of plaintext become 4 * ceil((n + 52) / 3)
-- characters of ASCII (Gembok\Client::width(n)). The application compares these widths with its own needs before each save.
-- Collation ascii_bin: an envelope is equal to itself alone, and the index of rfid_tag heeds case.

CREATE TABLE karyawan (
  id                CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,  -- made by the application: part of each envelope's context
  nik               VARCHAR(92)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,  --   16 bytes
  nik_index         CHAR(40)      CHARACTER SET ascii COLLATE ascii_bin NULL UNIQUE,  -- what a NIK is found by; NULL until indeks_ulang.php did the row
  nama              VARCHAR(604)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,  --  400 bytes: 100 characters of any script
  tanggal_lahir     VARCHAR(84)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,  --   10 bytes: 1990-12-31
  alamat            VARCHAR(1404) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,  -- 1000 bytes
  no_jaminan_sosial VARCHAR(88)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,  --   13 bytes
  rfid_tag          VARCHAR(32)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
  dibuat            TIMESTAMP(6)  NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  INDEX (dibuat)
) ENGINE = InnoDB;

CREATE TABLE kehadiran (
  id          BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
  karyawan_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  waktu       DATETIME NOT NULL,
  INDEX (waktu),
  FOREIGN KEY (karyawan_id) REFERENCES karyawan (id) ON DELETE CASCADE
) ENGINE = InnoDB;
