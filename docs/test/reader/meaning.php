<?php

/*
 * Whether every row that was there before the migration still means what it meant: all of them opened through Gembok by the
 * application's own settings and compared with what rows.php wrote down.
 *
 *     php meaning.php FOLDER-OF-THE-TEST
 */

declare(strict_types=1);

define('BASEPATH', '');
$app = "$argv[1]/www/absensi/application";
require "$app/third_party/gembok/autoload.php";
require "$app/config/cryptapi.php";
require "$app/config/database.php";
require "$app/helpers/gembok_helper.php";

$client = new Gembok\Client(Gembok\Config::fromArray($config));
$database = new PDO("mysql:unix_socket={$db['default']['hostname']};dbname=absensi;charset=utf8mb4", 'www-data', '');
$columns = implode(', ', array_keys(kolom_rahasia()));
$meaning = json_decode(file_get_contents("$argv[1]/meaning.json"), true);
$rows = $database->query("SELECT id, $columns FROM karyawan WHERE id <= " . count($meaning))->fetchAll(PDO::FETCH_ASSOC);
if (count($meaning) < 1000 || count($rows) !== count($meaning)) {
    fwrite(STDERR, "rows are missing\n");
    exit(1);
}
foreach (array_chunk($rows, 200) as $some) {
    $items = [];
    foreach ($some as $row) {
        foreach (array_keys(kolom_rahasia()) as $column) {
            $items["{$row['id']}.$column"] = ['ciphertext' => $row[$column], 'context' => konteks($column, $row['id'])];
        }
    }
    foreach ($client->decryptMany($items, 'karyawan') as $key => $value) {
        [$id, $column] = explode('.', $key);
        if ($value !== $meaning[$id][$column]) {
            fwrite(STDERR, "row $id, column $column reads differently\n");
            exit(1);
        }
    }
}
