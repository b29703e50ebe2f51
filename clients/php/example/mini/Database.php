<?php
/*
 * $this->db: the few calls of CodeIgniter 3's database class that the models use, on PDO. Every value goes into a prepared
 * statement that the server itself prepares; table and column names come from the models, never from a request.
 */

class CI_DB
{
    /** @var PDO */
    private $pdo;

    public function __construct(array $config)
    {
        $dsn = "mysql:host={$config['hostname']};port={$config['port']};dbname={$config['database']};charset={$config['char_set']}";
        $this->pdo = new PDO($dsn, $config['username'], $config['password'], [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            PDO::ATTR_EMULATE_PREPARES => false,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
            PDO::ATTR_TIMEOUT => 3,
        ]);
        if (!empty($config['stricton'])) {
            // An envelope that does not fit must be an error: cut off, it never opens again.
            $this->pdo->exec("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')");
        }
    }

    /** @return CI_DB_result */
    public function query($sql, array $binds = [])
    {
        $statement = $this->pdo->prepare($sql);
        $statement->execute($binds);
        return new CI_DB_result($statement);
    }

    /** @return int how many rows there are new */
    public function insert($table, array $row)
    {
        $columns = implode(', ', array_keys($row));
        $places = implode(', ', array_fill(0, count($row), '?'));
        return $this->query("INSERT INTO $table ($columns) VALUES ($places)", array_values($row))->affected_rows();
    }

    public function update($table, array $row, array $where)
    {
        $set = implode(' = ?, ', array_keys($row)) . ' = ?';
        $binds = array_merge(array_values($row), array_values($where));
        return $this->query("UPDATE $table SET $set WHERE " . self::all_equal($where), $binds)->affected_rows();
    }

    public function delete($table, array $where)
    {
        return $this->query("DELETE FROM $table WHERE " . self::all_equal($where), array_values($where))->affected_rows();
    }

    /** Whether an error says that a unique value is there already. */
    public static function is_duplicate(PDOException $error)
    {
        return isset($error->errorInfo[1]) && $error->errorInfo[1] === 1062;
    }

    private static function all_equal(array $where)
    {
        return implode(' = ? AND ', array_keys($where)) . ' = ?';
    }
}

class CI_DB_result
{
    /** @var PDOStatement */
    private $statement;

    public function __construct(PDOStatement $statement)
    {
        $this->statement = $statement;
    }

    public function result_array()
    {
        return $this->statement->fetchAll();
    }

    /** @return array|null the first row */
    public function row_array()
    {
        $row = $this->statement->fetch();
        return $row === false ? null : $row;
    }

    public function affected_rows()
    {
        return $this->statement->rowCount();
    }
}
