-- What the reader has: the table of an application that came to Gembok with data. rows.php fills it.

CREATE DATABASE absensi CHARACTER SET utf8mb4;
USE absensi;

CREATE TABLE karyawan (
  id                INT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
  nik               VARCHAR(64),
  nama              VARCHAR(255),
  tanggal_lahir     VARCHAR(64),
  alamat            VARCHAR(1024),
  no_jaminan_sosial VARCHAR(64),
  rfid_tag          VARCHAR(32) NOT NULL UNIQUE
) ENGINE = InnoDB;

CREATE TABLE kehadiran (
  id          INT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
  karyawan_id INT UNSIGNED NOT NULL,
  waktu       DATETIME NOT NULL,
  FOREIGN KEY (karyawan_id) REFERENCES karyawan (id)
) ENGINE = InnoDB;

CREATE USER 'www-data'@localhost IDENTIFIED VIA unix_socket;
GRANT SELECT, INSERT, UPDATE, DELETE ON absensi.* TO 'www-data'@localhost;
