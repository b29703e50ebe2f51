</main>
<footer>Data pribadi di halaman ini tersimpan terenkripsi. Kuncinya ada di Gembok, tidak di aplikasi dan tidak di basis data.</footer>
</body>
</html>
