<?php

/*
 * $this->db, as far as the guides use it, with what CodeIgniter 3 does in production: a statement that fails gives FALSE and
 * spoils the transaction, which trans_status() tells. On PDO, every value in a prepared statement.
 */

declare(strict_types=1);

class CI_DB
{
    public $save_queries = true;
    private PDO $pdo;
    private bool $good = true;
    private int $affected = 0;

    public function __construct(array $settings)
    {
        $this->pdo = new PDO(
            "mysql:unix_socket={$settings['hostname']};dbname={$settings['database']};charset={$settings['char_set']}",
            $settings['username'],
            $settings['password'],
            [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_EMULATE_PREPARES => false]
        );
    }

    /** @return CI_DB_result|bool */
    public function query(string $sql, array $binds = [])
    {
        try {
            $statement = $this->pdo->prepare($sql);
            $statement->execute(array_values($binds));
        } catch (PDOException $wrong) {
            $this->good = false;
            log_message('error', 'Query error: ' . $wrong->errorInfo[2]);
            return false;
        }
        $this->affected = $statement->rowCount();
        return $statement->columnCount() > 0 ? new CI_DB_result($statement->fetchAll(PDO::FETCH_ASSOC)) : true;
    }

    public function get_where(string $table, array $where)
    {
        return $this->query("SELECT * FROM `$table` WHERE " . self::pairs($where, ' AND '), $where);
    }

    public function insert(string $table, array $row)
    {
        return $this->query("INSERT INTO `$table` SET " . self::pairs($row, ', '), $row);
    }

    public function update(string $table, array $row, array $where)
    {
        $sql = "UPDATE `$table` SET " . self::pairs($row, ', ') . ' WHERE ' . self::pairs($where, ' AND ');
        return $this->query($sql, array_merge(array_values($row), array_values($where)));
    }

    public function insert_id(): int
    {
        return (int) $this->pdo->lastInsertId();
    }

    public function affected_rows(): int
    {
        return $this->affected;
    }

    public function trans_begin(): bool
    {
        $this->good = true;
        return $this->pdo->beginTransaction();
    }

    public function trans_status(): bool
    {
        return $this->good;
    }

    public function trans_commit(): bool
    {
        return $this->pdo->commit();
    }

    public function trans_rollback(): bool
    {
        return $this->pdo->rollBack();
    }

    private static function pairs(array $columns, string $between): string
    {
        return implode($between, array_map(static fn ($name): string => "`$name` = ?", array_keys($columns)));
    }
}

class CI_DB_result
{
    private array $rows;

    public function __construct(array $rows)
    {
        $this->rows = $rows;
    }

    public function result_array(): array
    {
        return $this->rows;
    }

    public function row_array(): ?array
    {
        return $this->rows[0] ?? null;
    }
}
